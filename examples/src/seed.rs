//! Numbers that look random and follow from a seed, so that a run that failed can be run again.

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): small, and good enough to choose moments and dishes.
#[derive(Debug, Clone)]
pub struct Seed(pub u64);

impl Seed {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A generator of its own for somebody, so that one person's luck does not depend on what others do.
    pub fn fork(&self, number: u64) -> Self {
        let mut child = Self(self.0 ^ number.wrapping_mul(0xa076_1d64_78bd_642f));
        child.draw();
        child
    }

    /// A seed that nobody had before: the clock's.
    pub fn fresh() -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        since.as_nanos() as u64
    }
}
