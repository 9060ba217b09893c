//! A circuit breaker: it stops asking what does not answer, and asks a little to see whether it does again.
//!
//! It is a state machine without a clock and without chance: the time (milliseconds of any clock that never goes back)
//! and the randomness are arguments, so every path can be tested as a table.

/// Parts of the window. The oldest part is forgotten as a whole, so more parts forget more evenly.
const PARTS: usize = 10;

/// Every number of a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How far back calls count.
    pub window_ms: u64,
    /// Calls in the window below which nothing is decided: a few bad ones are chance.
    pub min_calls: u32,
    /// Share of failed calls at which it opens.
    pub failed_percent: u32,
    /// A call that takes longer is slow.
    pub slow_ms: u64,
    /// Share of slow calls at which it opens.
    pub slow_percent: u32,
    /// How long it is open the first time; doubled each time that the probes fail.
    pub open_ms: u64,
    /// The longest that it is open.
    pub max_open_ms: u64,
    /// How much longer or shorter than that by chance, so that breakers of several processes do not probe together.
    pub jitter_percent: u64,
    /// Calls that are let through to see whether it works again; all must be good.
    pub probes: u32,
    /// Good health checks in a row after which it probes at once, however long it is open yet.
    pub checks: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            window_ms: 10_000,
            min_calls: 20,
            failed_percent: 50,
            slow_ms: 1_000,
            slow_percent: 50,
            open_ms: 5_000,
            max_open_ms: 30_000,
            jitter_percent: 20,
            probes: 3,
            // Of something that answers half of its calls, one run of checks in 4,096 is as long.
            checks: 12,
        }
    }
}

/// What everybody may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass.
    HalfOpen,
    /// An operator lets all calls pass.
    ForcedClosed,
    /// An operator refuses all calls.
    ForcedOpen,
}

impl State {
    /// Its word in documents and figures.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
            State::ForcedClosed => "forced_closed",
            State::ForcedOpen => "forced_open",
        }
    }
}

/// What an operator wants, whatever the calls say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// True refuses all calls, false lets all pass.
    pub open: bool,
    /// Why, for whoever finds it so.
    pub reason: String,
}

/// Leave to make one call. It is given back with [`Breaker::done`] or [`Breaker::cancel`].
#[derive(Debug)]
#[must_use = "a call that is never given back may hold a probe's place"]
pub struct Permit {
    /// Calls of an earlier state say nothing about this one.
    epoch: u64,
    /// True once [`Breaker::late`] has counted this call.
    counted: bool,
}

/// Calls that ended within the window, or are known to be slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that took longer than they may.
    pub slow: u64,
}

/// Come again in so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// When a call may be let through again, at the earliest.
    pub retry_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// Which stretch of time the counts belong to.
    slot: u64,
    calls: u32,
    failed: u32,
    slow: u32,
}

#[derive(Debug)]
enum Phase {
    Closed {
        parts: [Part; PARTS],
    },
    /// `checks` were good in a row, where checks are believed.
    Open {
        until_ms: u64,
        checks: Option<u32>,
    },
    /// `early` when checks have led here, and not the time.
    HalfOpen {
        out: u32,
        good: u32,
        early: bool,
    },
}

/// One breaker, for one thing that is called.
#[derive(Debug)]
pub struct Breaker {
    config: Config,
    phase: Phase,
    epoch: u64,
    /// Openings since it was last closed.
    opened: u32,
    forced: Option<Forced>,
}

impl Breaker {
    /// A closed one.
    pub fn new(config: Config) -> Self {
        Self { config, phase: Phase::Closed { parts: Default::default() }, epoch: 0, opened: 0, forced: None }
    }

    /// Asks for leave to make a call.
    ///
    /// # Errors
    /// It is open, or as many probes as it wants are out.
    pub fn admit(&mut self, now_ms: u64) -> Result<Permit, Refused> {
        match &self.forced {
            Some(forced) if forced.open => return Err(Refused { retry_ms: self.config.open_ms }),
            Some(_) => return Ok(Permit { epoch: self.epoch, counted: false }),
            None => {}
        }
        if let Phase::Open { until_ms, .. } = self.phase {
            if now_ms < until_ms {
                return Err(Refused { retry_ms: until_ms - now_ms });
            }
            self.enter(Phase::HalfOpen { out: 0, good: 0, early: false });
        }
        if let Phase::HalfOpen { out, good, .. } = &mut self.phase {
            if *out + *good >= self.config.probes {
                // A probe is answered or given up within the time of a slow call, mostly.
                return Err(Refused { retry_ms: self.config.slow_ms });
            }
            *out += 1;
        }
        Ok(Permit { epoch: self.epoch, counted: false })
    }

    /// Tells that a call is slow before it has ended, so that a hung one counts at once and not when it is given up.
    pub fn late(&mut self, permit: &mut Permit, now_ms: u64, random: u64) {
        if permit.epoch != self.epoch || permit.counted || self.forced.is_some() {
            return;
        }
        permit.counted = true;
        match &mut self.phase {
            Phase::Closed { parts } => {
                let (slot, part) = part(&self.config, parts, now_ms);
                part.calls = part.calls.saturating_add(1);
                part.slow = part.slow.saturating_add(1);
                if is_bad(&self.config, parts, slot) {
                    self.open(now_ms, random);
                }
            }
            Phase::HalfOpen { .. } => self.open(now_ms, random),
            Phase::Open { .. } => {}
        }
    }

    /// Tells how a call went: whether it failed, and how long it took. `random` is any number, new each time.
    pub fn done(&mut self, permit: Permit, failed: bool, took_ms: u64, now_ms: u64, random: u64) {
        if permit.epoch != self.epoch || self.forced.is_some() {
            return;
        }
        let slow = took_ms > self.config.slow_ms;
        match &mut self.phase {
            Phase::Closed { parts } => {
                let (slot, part) = part(&self.config, parts, now_ms);
                part.calls = part.calls.saturating_add(u32::from(!permit.counted));
                part.failed = part.failed.saturating_add(u32::from(failed));
                part.slow = part.slow.saturating_add(u32::from(slow && !permit.counted));
                if is_bad(&self.config, parts, slot) {
                    self.open(now_ms, random);
                }
            }
            Phase::HalfOpen { .. } if failed || slow => self.open(now_ms, random),
            Phase::HalfOpen { out, good, .. } => {
                *out = out.saturating_sub(1);
                *good += 1;
                if *good >= self.config.probes {
                    self.opened = 0;
                    self.enter(Phase::Closed { parts: Default::default() });
                }
            }
            Phase::Open { .. } => {}
        }
    }

    /// Gives leave back unused: whoever asked has gone away, and nothing was learnt.
    pub fn cancel(&mut self, permit: Permit) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase
            && permit.epoch == self.epoch
        {
            *out = out.saturating_sub(1);
        }
    }

    /// Whether the health of what is called should be asked after: nothing else passes, and the answer would be believed.
    pub fn wants_check(&self, now_ms: u64) -> bool {
        self.forced.is_none() && matches!(self.phase, Phase::Open { until_ms, checks: Some(_) } if now_ms < until_ms)
    }

    /// Tells how a health check went. Enough good ones in a row end the time that it is open, and probes pass at once.
    ///
    /// A check is no call: what answers checks may refuse every call. So checks that were wrong about the probes are not
    /// believed again before the time of the next opening is over.
    pub fn checked(&mut self, is_good: bool, now_ms: u64) {
        if !self.wants_check(now_ms) {
            return;
        }
        if let Phase::Open { checks: Some(checks), .. } = &mut self.phase {
            *checks = if is_good { *checks + 1 } else { 0 };
            if *checks >= self.config.checks {
                self.enter(Phase::HalfOpen { out: 0, good: 0, early: true });
            }
        }
    }

    /// Does what an operator wants until told otherwise. `None` begins again, closed.
    pub fn force(&mut self, forced: Option<Forced>) {
        self.opened = 0;
        self.enter(Phase::Closed { parts: Default::default() });
        self.forced = forced;
    }

    /// What an operator wanted, and why.
    pub fn forced(&self) -> Option<&Forced> {
        self.forced.as_ref()
    }

    /// Where it stands.
    pub fn state(&self, now_ms: u64) -> State {
        match (&self.forced, &self.phase) {
            (Some(forced), _) if forced.open => State::ForcedOpen,
            (Some(_), _) => State::ForcedClosed,
            (None, Phase::Closed { .. }) => State::Closed,
            (None, Phase::Open { until_ms, .. }) if now_ms < *until_ms => State::Open,
            (None, Phase::Open { .. } | Phase::HalfOpen { .. }) => State::HalfOpen,
        }
    }

    /// How long calls are refused from now on, if they are: what [`Breaker::admit`] would say, without asking for leave.
    pub fn shut_ms(&self, now_ms: u64) -> Option<u64> {
        match (&self.forced, &self.phase) {
            (Some(forced), _) => forced.open.then_some(self.config.open_ms),
            (None, Phase::Open { until_ms, .. }) => until_ms.checked_sub(now_ms).filter(|left| *left > 0),
            (None, Phase::HalfOpen { out, good, .. }) => (*out + *good >= self.config.probes).then_some(self.config.slow_ms),
            (None, Phase::Closed { .. }) => None,
        }
    }

    /// What it goes by. Nothing is counted while it is not closed.
    pub fn counts(&self, now_ms: u64) -> Counts {
        match &self.phase {
            Phase::Closed { parts } => counts(parts, slot(&self.config, now_ms)),
            Phase::Open { .. } | Phase::HalfOpen { .. } => Counts::default(),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }

    fn open(&mut self, now_ms: u64, random: u64) {
        let config = &self.config;
        let doubled = config.open_ms.saturating_mul(1 << self.opened.min(16)).min(config.max_open_ms);
        let spread = doubled.saturating_mul(config.jitter_percent.min(100)) / 100;
        // Between `spread` shorter and `spread` longer, and never longer than the longest.
        let wait = (doubled - spread).saturating_add(random % (2 * spread + 1)).min(config.max_open_ms);
        self.opened = self.opened.saturating_add(1);
        let misled = matches!(self.phase, Phase::HalfOpen { early: true, .. });
        self.enter(Phase::Open { until_ms: now_ms.saturating_add(wait), checks: (!misled).then_some(0) });
    }
}

fn slot(config: &Config, now_ms: u64) -> u64 {
    now_ms / (config.window_ms / PARTS as u64).max(1)
}

/// The part of the window that a moment belongs to, emptied if it is still that of an earlier turn.
fn part<'a>(config: &Config, parts: &'a mut [Part; PARTS], now_ms: u64) -> (u64, &'a mut Part) {
    let slot = slot(config, now_ms);
    let part = &mut parts[(slot % PARTS as u64) as usize];
    if part.slot != slot {
        *part = Part { slot, ..Part::default() };
    }
    (slot, part)
}

fn counts(parts: &[Part; PARTS], slot: u64) -> Counts {
    let recent = parts.iter().filter(|part| slot.saturating_sub(part.slot) < PARTS as u64);
    recent.fold(Counts::default(), |sum, part| Counts {
        calls: sum.calls + u64::from(part.calls),
        failed: sum.failed + u64::from(part.failed),
        slow: sum.slow + u64::from(part.slow),
    })
}

fn is_bad(config: &Config, parts: &[Part; PARTS], slot: u64) -> bool {
    let Counts { calls, failed, slow } = counts(parts, slot);
    let at_least = |share: u64, percent: u32| share * 100 >= calls * u64::from(percent);
    calls >= u64::from(config.min_calls) && (at_least(failed, config.failed_percent) || at_least(slow, config.slow_percent))
}

#[cfg(test)]
mod tests;
