//! Time and randomness of one render.

use gotemplate::function::Host;
use gotemplate::value::Time;
use sha2::{Digest, Sha256};

use super::options::Surroundings;

/// Gives what it was told. Random bytes are the hashes of the seed with a counter.
#[derive(Debug)]
pub(crate) struct World {
    surroundings: Surroundings,
    counter: u64,
}

impl World {
    pub(crate) fn new(surroundings: Option<Surroundings>) -> Self {
        // without surroundings a render that asks for them fails, so that these are never seen
        let nothing = Surroundings { unix_seconds: 0, nanoseconds: 0, seed: [0; 32] };
        Self { surroundings: surroundings.unwrap_or(nothing), counter: 0 }
    }
}

impl Host for World {
    fn now(&self) -> Time {
        Time::utc(self.surroundings.unix_seconds, self.surroundings.nanoseconds)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            self.counter += 1;
            let hash = Sha256::new().chain_update(self.surroundings.seed).chain_update(self.counter.to_le_bytes());
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_from_the_seed_and_do_not_repeat() {
        let bytes = |seed: u8| {
            let mut world = World::new(Some(Surroundings { unix_seconds: 0, nanoseconds: 0, seed: [seed; 32] }));
            let mut buffer = [0; 80];
            world.random(&mut buffer);
            buffer
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
        assert_ne!(bytes(1)[..32], bytes(1)[32..64]);
    }
}
