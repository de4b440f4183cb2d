//! What each proxy must do, and why.
