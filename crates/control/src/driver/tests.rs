use std::sync::atomic::{AtomicU32, Ordering};

use clock::ManualClock;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::panics::Killed;

type Looks = Mutex<Vec<&'static str>>;

/// Notes who was looked at. `panics` fails once, `fails` always, `hangs` never comes back,
/// `waits` does, `dies` kills.
struct Noting {
    looks: Arc<Looks>,
    deepest: Arc<Mutex<Depth>>,
    forgotten: Arc<Looks>,
    panicked: AtomicU32,
    turns: Arc<Semaphore>,
}

impl Noting {
    fn note(&self, depth: Depth) {
        let mut deepest = self.deepest.lock().unwrap();
        *deepest = depth.max(*deepest);
    }
}

impl Work for Noting {
    type Key = &'static str;

    fn remembered(&self) -> Vec<&'static str> {
        vec!["a1", "b1"]
    }

    fn forget(&self, key: &&'static str) {
        self.forgotten.lock().unwrap().push(key);
    }

    async fn run(&self, key: &&'static str, request: Request) -> Next {
        self.looks.lock().unwrap().push(key);
        self.note(request.depth);
        match *key {
            "panics" if self.panicked.fetch_add(1, Ordering::SeqCst) == 0 => panic!("on purpose"),
            "fails" => Next::Retry,
            "hangs" => {
                let _lent = crate::turns::Lent::new(&self.turns);
                std::future::pending().await
            }
            "dies" => std::panic::resume_unwind(Box::new(Killed)),
            "waits" => {
                let lent = crate::turns::Lent::new(&self.turns);
                tokio::task::yield_now().await;
                lent.back().await;
                Next::Nothing
            }
            _ => Next::Nothing,
        }
    }
}

/// The keys that begin with a letter.
#[derive(Debug)]
struct Letter(watch::Receiver<char>);

impl Share<&'static str> for Letter {
    fn owns(&self, key: &&'static str) -> bool {
        key.starts_with(*self.0.borrow())
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let mut letters = self.0.clone();
        letters.mark_unchanged();
        let next = async |mut letters: watch::Receiver<char>| letters.changed().await.ok().map(|()| ((), letters));
        stream::unfold(letters, next).boxed()
    }
}

struct World {
    looks: Arc<Looks>,
    deepest: Arc<Mutex<Depth>>,
    forgotten: Arc<Looks>,
    queue: Arc<Queue<&'static str>>,
    clock: ManualClock,
    running: AbortOnDropHandle<()>,
}

fn world(turns: usize, share: Arc<dyn Share<&'static str>>) -> World {
    let clock = ManualClock::starting_at(Timestamp::UNIX_EPOCH);
    let (looks, turns) = (Arc::new(Looks::default()), Arc::new(Semaphore::new(turns)));
    let queue = Arc::new(Queue::new(Arc::new(clock.clone())));
    let (deepest, forgotten) = (Arc::default(), Arc::new(Looks::default()));
    let work = Noting {
        looks: Arc::clone(&looks),
        deepest: Arc::clone(&deepest),
        forgotten: Arc::clone(&forgotten),
        panicked: AtomicU32::new(0),
        turns: Arc::clone(&turns),
    };
    let parts =
        Parts { work, turns, share, queue: Arc::clone(&queue), clock: Arc::new(clock.clone()), ids: Ids::seeded(1) };
    let running = AbortOnDropHandle::new(tokio::spawn(Arc::new(Driver::new(parts)).run()));
    World { looks, deepest, forgotten, queue, clock, running }
}

impl World {
    /// Lets everything happen that can happen now.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn ask(&self, keys: &[&'static str]) {
        keys.iter().for_each(|key| self.queue.add(key, Depth::Live));
        self.settle().await;
    }

    fn looked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.looks.lock().unwrap())
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }
}

#[tokio::test]
async fn who_waits_lends_its_turn() {
    let world = world(1, Arc::new(Everything));
    world.ask(&["hangs", "a", "b"]).await;
    assert_eq!(world.looked(), ["hangs", "a", "b"]);
    // what is in work is not begun again
    world.ask(&["hangs", "a"]).await;
    assert_eq!(world.looked(), ["a"]);
    // and has it back when nobody else wants it
    world.ask(&["waits"]).await;
    world.ask(&["waits"]).await;
    assert_eq!(world.looked(), ["waits", "waits"]);
}

#[tokio::test]
async fn what_fails_is_tried_again_later_each_time() {
    let world = world(1, Arc::new(Everything));
    world.ask(&["fails"]).await;
    // a tenth is added by chance
    for (wait, again) in [(1, 0), (2, 1), (3, 0), (2, 1)] {
        world.looked();
        world.pass(wait).await;
        assert_eq!(world.looked().len(), again, "after {wait} s");
    }
}

#[tokio::test]
async fn a_panic_ends_one_look_and_nothing_else() {
    let world = world(1, Arc::new(Everything));
    world.ask(&["panics", "a"]).await;
    assert_eq!(world.looked(), ["panics", "a"]);
    world.pass(3).await;
    assert_eq!(world.looked(), ["panics"]);
    assert!(!world.running.is_finished());
    world.ask(&["dies"]).await;
    assert!(world.running.is_finished());
}

#[tokio::test]
async fn what_comes_to_this_process_is_looked_at() {
    let (letter, letters) = watch::channel('a');
    let world = world(1, Arc::new(Letter(letters)));
    world.ask(&["a1", "b1", "b2"]).await;
    assert_eq!(world.looked(), ["a1"]);
    letter.send_replace('b');
    world.settle().await;
    assert_eq!(world.looked(), ["b1", "b2"]);
    assert_eq!(*world.forgotten.lock().unwrap(), ["a1"], "somebody else changes it now");
    world.queue.add(&"a1", Depth::Hard);
    world.ask(&["a1", "b1"]).await;
    assert_eq!((world.looked(), *world.deepest.lock().unwrap()), (vec!["b1"], Depth::Latest));
    letter.send_replace('a');
    world.settle().await;
    assert_eq!(*world.deepest.lock().unwrap(), Depth::Hard, "as deep as it was asked for");
}

/// The only process there is.
#[derive(Debug)]
struct Everything;

impl<K> Share<K> for Everything {
    fn owns(&self, _: &K) -> bool {
        true
    }
}
