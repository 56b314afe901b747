use std::fmt;

/// Why the host ended a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Deadline,
    /// The guest asked to leave the process.
    Exit,
    /// The guest called what has only an empty implementation.
    Absent,
    /// More random bytes in one call than the bound.
    Random,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Stop {}
