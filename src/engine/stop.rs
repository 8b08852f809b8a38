//! The user's wish to stop: asked once, what runs is finished; asked twice, it is ended.

use std::sync::Arc;

use tokio::sync::watch;

/// How strongly the user wants to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    Finish,
    End,
}

/// Shared by all who must know. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop {
    wish: Arc<watch::Sender<Wish>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { wish: Arc::new(watch::Sender::new(Wish::GoOn)) }
    }
}

impl Stop {
    /// Asks once more: first to finish what runs, then to end it.
    pub fn ask(&self) {
        self.wish.send_modify(|wish| *wish = if *wish == Wish::GoOn { Wish::Finish } else { Wish::End });
    }

    /// Was it asked at all?
    #[must_use]
    pub fn asked(&self) -> bool {
        *self.wish.borrow() >= Wish::Finish
    }

    /// Waits until it was asked twice.
    pub async fn ended(&self) {
        let mut wish = self.wish.subscribe();
        // The sender lives as long as `self`, so this only ever ends with the wish.
        let _ = wish.wait_for(|wish| *wish == Wish::End).await;
    }
}
