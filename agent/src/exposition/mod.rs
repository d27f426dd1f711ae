//! From families to the bytes of an answer. One file a format.

mod number;
pub mod text;
