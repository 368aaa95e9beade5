//! How much of the thread's stack is in use, measured by the addresses of locals.

/// Ends recursion before it can exhaust the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackGuard {
    base: usize,
    bytes: usize,
}

impl StackGuard {
    /// Lets the calls from here on use so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { base: address(), bytes }
    }

    /// Whether the calls since `new` use no more than they may.
    pub(crate) fn has_room(&self) -> bool {
        self.base.abs_diff(address()) < self.bytes
    }
}

/// The address of the caller's frame, near enough.
#[inline(never)]
fn address() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&marker)).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth_reached(guard: &StackGuard, depth: usize) -> usize {
        if guard.has_room() { std::hint::black_box(depth_reached(guard, depth + 1)) } else { depth }
    }

    #[test]
    fn recursion_ends_at_the_limit() {
        let depth = depth_reached(&StackGuard::new(64 << 10), 0);
        assert!((10..64 << 10).contains(&depth), "{depth}");
    }
}
