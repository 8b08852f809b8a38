//! One file each; the one list is here.
