//! What the driver of a connection may see as ready while it is polled.
//!
//! The stack's driver selects among its timer, its events and its sockets in an order that is random and
//! follows from the process, not from the run. In a simulated run it is therefore polled in turns, with one
//! kind of arm ready in each (`sim/driver.rs`). Outside of one everything may be ready at any time.
//!
//! Owns the turn of this thread; who takes turns is not its business.

#[cfg(feature = "sim")]
pub(crate) use simulated::*;

/// Whether a socket may give something to the driver: always, when nobody takes turns.
#[cfg(not(feature = "sim"))]
pub(crate) fn may_receive() -> bool {
    true
}

#[cfg(feature = "sim")]
mod simulated {
    use std::cell::Cell;

    thread_local! {
        static TURN: Cell<Turn> = const { Cell::new(Turn::Any) };
        static FIRED: Cell<bool> = const { Cell::new(false) };
    }

    /// Whose turn it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Turn {
        /// Everybody's.
        Any,
        /// The events', which are the stack's own channel.
        Events,
        /// And so many datagrams'.
        Datagrams(usize),
        /// Or the timer's, once.
        Timer,
    }

    /// Whether a socket may give something to the driver.
    pub(crate) fn may_receive() -> bool {
        matches!(TURN.get(), Turn::Any | Turn::Datagrams(1..))
    }

    pub(crate) fn current() -> Turn {
        TURN.get()
    }

    /// Gives the turn to somebody; gives back whose it was.
    pub(crate) fn give(turn: Turn) -> Turn {
        TURN.replace(turn)
    }

    /// Notes that the timer fired, which ends its turn.
    pub(crate) fn fired() {
        FIRED.set(true);
        TURN.set(Turn::Events);
    }

    /// Whether the timer fired since this was asked the last time.
    pub(crate) fn take_fired() -> bool {
        FIRED.take()
    }
}
