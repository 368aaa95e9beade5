//! The order that Go's `sort.Sort` leaves (pattern-defeating quicksort, Go 1.19 and later). For a total order it is the one
//! that there is; of an order that goes round in a circle it is what these steps make of it, and kustomize's output.

const SHORT: usize = 12;
/// Below this, one of three is the pivot; from here on one of nine.
const NINTHER: usize = 50;
/// As many swaps while a pivot is chosen: all was the wrong way round.
const ALL_SWAPPED: usize = 12;
const PATIENCE: usize = 5;

/// Sorts in place, and not stably. `less` need not be an order.
pub(crate) fn sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let bits = usize::BITS - items.len().leading_zeros();
    let end = items.len();
    Sorting { items, less }.quick(0, end, bits);
}

struct Sorting<'a, T, F> {
    items: &'a mut [T],
    less: F,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

impl<T, F: Fn(&T, &T) -> bool> Sorting<'_, T, F> {
    fn less(&self, a: usize, b: usize) -> bool {
        (self.less)(&self.items[a], &self.items[b])
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.items.swap(a, b);
    }

    /// `limit` bad pivots are allowed.
    fn quick(&mut self, mut from: usize, mut to: usize, mut limit: u32) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = to - from;
            if length <= SHORT {
                return self.insert(from, to);
            }
            if limit == 0 {
                return self.heap(from, to);
            }
            if !balanced {
                self.shuffle(from, to);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.pivot(from, to);
            if hint == Hint::Decreasing {
                self.items[from..to].reverse();
                (pivot, hint) = (to - 1 - (pivot - from), Hint::Increasing);
            }
            if balanced && partitioned && hint == Hint::Increasing && self.insert_few(from, to) {
                return;
            }
            if from > 0 && !self.less(from - 1, pivot) {
                from = self.part_equal(from, to, pivot);
                continue;
            }
            let (middle, was_partitioned) = self.part(from, to, pivot);
            partitioned = was_partitioned;
            let (left, right) = (middle - from, to - middle);
            balanced = left.min(right) >= length / 8;
            if left < right {
                self.quick(from, middle, limit);
                from = middle + 1;
            } else {
                self.quick(middle + 1, to, limit);
                to = middle;
            }
        }
    }

    fn insert(&mut self, from: usize, to: usize) {
        for next in from + 1..to {
            self.sink(next, from);
        }
    }

    /// Moves an item down as far as it is less than the one before it, at most to `until`.
    fn sink(&mut self, mut at: usize, until: usize) {
        while at > until && self.less(at, at - 1) {
            self.swap(at, at - 1);
            at -= 1;
        }
    }

    fn heap(&mut self, from: usize, to: usize) {
        let length = to - from;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift(root, length, from);
        }
        for last in (0..length).rev() {
            self.swap(from, from + last);
            self.sift(0, last, from);
        }
    }

    fn sift(&mut self, mut root: usize, length: usize, from: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= length {
                return;
            }
            if child + 1 < length && self.less(from + child, from + child + 1) {
                child += 1;
            }
            if !self.less(from + root, from + child) {
                return;
            }
            self.swap(from + root, from + child);
            root = child;
        }
    }

    /// Takes patterns apart on which pivots were bad.
    fn shuffle(&mut self, from: usize, to: usize) {
        let length = to - from;
        let mut random = length as u64;
        let mask = (1_u64 << (usize::BITS - length.leading_zeros())) - 1;
        let middle = from + length / 4 * 2 - 1;
        for near in 0..3 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let other = usize::try_from(random & mask).unwrap_or_default();
            let other = if other >= length { other - length } else { other };
            self.swap(middle - 1 + near, from + other);
        }
    }

    fn pivot(&self, from: usize, to: usize) -> (usize, Hint) {
        let length = to - from;
        let mut swaps = 0;
        let [mut low, mut middle, mut high] = [1, 2, 3].map(|quarter| from + length / 4 * quarter);
        if length >= NINTHER {
            [low, middle, high] = [low, middle, high].map(|at| self.median([at - 1, at, at + 1], &mut swaps));
        }
        middle = self.median([low, middle, high], &mut swaps);
        let hint = match swaps {
            0 => Hint::Increasing,
            ALL_SWAPPED => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (middle, hint)
    }

    fn median(&self, [mut a, mut b, mut c]: [usize; 3], swaps: &mut usize) -> usize {
        let mut order = |low: &mut usize, high: &mut usize| {
            if self.less(*high, *low) {
                *swaps += 1;
                std::mem::swap(low, high);
            }
        };
        order(&mut a, &mut b);
        order(&mut b, &mut c);
        order(&mut a, &mut b);
        b
    }

    /// Puts right what is nearly sorted; whether all is sorted then.
    fn insert_few(&mut self, from: usize, to: usize) -> bool {
        let mut next = from + 1;
        for _ in 0..PATIENCE {
            while next < to && !self.less(next, next - 1) {
                next += 1;
            }
            if next == to {
                return true;
            }
            if to - from < NINTHER {
                return false;
            }
            self.swap(next, next - 1);
            if next - from >= 2 {
                self.sink(next - 1, 0);
            }
            if to - next >= 2 {
                self.rise(next + 1, to);
            }
        }
        false
    }

    fn rise(&mut self, first: usize, to: usize) {
        for at in first..to {
            if !self.less(at, at - 1) {
                return;
            }
            self.swap(at, at - 1);
        }
    }

    /// Less than the pivot before it, all others behind; where it came to lie, and whether nothing had to move.
    fn part(&mut self, from: usize, to: usize, pivot: usize) -> (usize, bool) {
        self.swap(from, pivot);
        let (mut low, mut high, mut moved) = (from + 1, to - 1, false);
        loop {
            while low <= high && self.less(low, from) {
                low += 1;
            }
            while low <= high && !self.less(high, from) {
                high -= 1;
            }
            if low > high {
                break;
            }
            self.swap(low, high);
            (low, high, moved) = (low + 1, high - 1, true);
        }
        self.swap(high, from);
        (high, !moved)
    }

    /// What equals the pivot first: where the greater ones begin.
    fn part_equal(&mut self, from: usize, to: usize, pivot: usize) -> usize {
        self.swap(from, pivot);
        let (mut low, mut high) = (from + 1, to - 1);
        loop {
            while low <= high && !self.less(from, low) {
                low += 1;
            }
            while low <= high && self.less(from, high) {
                high -= 1;
            }
            if low > high {
                return low;
            }
            self.swap(low, high);
            (low, high) = (low + 1, high - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::Dice;

    use super::*;

    fn numbers(count: usize, bound: usize) -> Vec<usize> {
        let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
        (0..count).map(|_| dice.below(bound)).collect()
    }

    #[test]
    fn an_order_is_an_order() {
        for length in [0, 1, 2, 12, 13, 49, 50, 51, 200, 5_000] {
            for bound in [2, 20, 1_000_000] {
                let mut inputs = vec![numbers(length, bound)];
                let sorted = {
                    let mut sorted = inputs[0].clone();
                    sorted.sort_unstable();
                    sorted
                };
                let mut nearly = sorted.clone();
                if length > 20 {
                    nearly.swap(3, length - 3);
                }
                inputs.extend([sorted.clone(), sorted.iter().rev().copied().collect(), nearly]);
                for mut input in inputs {
                    sort(&mut input, |a, b| a < b);
                    assert_eq!(input, sorted, "{length} {bound}");
                }
            }
        }
    }

    #[test]
    fn a_circle_ends_and_loses_nothing() {
        let beats = |a: &usize, b: &usize| (b + 3 - a) % 3 == 1;
        for length in [3, 40, 300] {
            let mut items = numbers(length, 3);
            let mut before = items.clone();
            sort(&mut items, beats);
            before.sort_unstable();
            items.sort_unstable();
            assert_eq!(items, before);
        }
    }
}
