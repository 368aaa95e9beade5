//! What one render may spend: no template runs, grows or nests without end.

/// The most one render may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// evaluated nodes and loop turns, inside functions too
    pub steps: u64,
    /// bytes of the output of all templates of the render
    pub output: usize,
    /// bytes allocated over the whole render for strings, lists and maps
    pub allocated: usize,
    /// `include`, `tpl` and `template` calls inside each other
    pub depth: usize,
    /// bytes of the thread's stack that templates inside each other may use
    pub stack: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 50_000_000, output: 64 << 20, allocated: 128 << 20, depth: 1100, stack: 1 << 20 }
    }
}

/// A limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    #[error("the render takes more than {0} steps; look for a loop or range without a sensible end")]
    Steps(u64),
    #[error("the output is larger than {0} bytes")]
    Output(usize),
    #[error("the render needs more than {0} bytes of memory")]
    Allocated(usize),
    #[error("templates, blocks or parentheses are nested too deeply; look for a template that includes itself")]
    Depth,
    #[error("a value is nested more than {0} levels deep")]
    Nesting(usize),
}

/// The deepest nesting of lists and maps that is printed, copied or compared.
pub const MAX_NESTING: usize = 1000;

/// Bytes of printed values that are written in the time of a step.
const WRITTEN_A_STEP: usize = 4;

/// What is left of the limits.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    limits: Limits,
    steps: u64,
    output: usize,
    allocated: usize,
}

impl Budget {
    /// Everything is left.
    pub fn new(limits: Limits) -> Self {
        Self { limits, steps: limits.steps, output: limits.output, allocated: limits.allocated }
    }

    /// The limits it started from.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Steps taken so far.
    pub fn spent(&self) -> u64 {
        self.limits.steps - self.steps
    }

    /// Steps that are left.
    pub fn steps_left(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(usize::MAX)
    }

    /// Takes steps.
    pub fn spend(&mut self, steps: usize) -> Result<(), Exceeded> {
        self.steps = self.steps.checked_sub(steps as u64).ok_or(Exceeded::Steps(self.limits.steps))?;
        Ok(())
    }

    /// Takes bytes of memory.
    pub fn allocate(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.allocated = self.allocated.checked_sub(bytes).ok_or(Exceeded::Allocated(self.limits.allocated))?;
        Ok(())
    }

    /// How long a text may become that is written now and then copied into a string.
    pub fn room(&self) -> usize {
        (self.allocated / 3).min(self.steps_left().saturating_mul(WRITTEN_A_STEP))
    }

    /// Takes the steps of writing a text.
    pub fn spend_on_text(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.spend(bytes / WRITTEN_A_STEP)
    }

    /// Takes bytes of output.
    pub fn write(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.output = self.output.checked_sub(bytes).ok_or(Exceeded::Output(self.limits.output))?;
        Ok(())
    }
}
