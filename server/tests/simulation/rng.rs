//! Chance, all of it from one number, so that a run can be had again.

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): small, and good from the first number on, whatever the seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from + 1) as u64) as i64
    }

    /// An index into something of this length, which is not empty.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    /// Takes one thing out, whichever.
    pub fn take<T>(&mut self, from: &mut Vec<T>) -> T {
        let i = self.index(from.len());
        from.swap_remove(i)
    }
}
