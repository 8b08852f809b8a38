//! What the steps planned so far leave behind.
