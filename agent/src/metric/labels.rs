//! Label values: what collectors may give as one, and the arena that holds them.

use std::fmt::Write as _;

/// All label values of one collector's scrape in one string, so that a sample owns no memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arena {
    text: String,
    /// Where each value ends in `text`; it begins where the one before it ends.
    ends: Vec<u32>,
}

impl Arena {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// How many values it holds: the index of the next one.
    pub(super) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(super) fn get(&self, index: u32) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index as usize - 1] };
        &self.text[start as usize..self.ends[index as usize] as usize]
    }

    pub(super) fn push(&mut self, value: &(impl LabelValue + ?Sized)) {
        value.write(&mut self.text);
        self.ends.push(u32::try_from(self.text.len()).expect("one scrape's labels fit into 4 GiB"));
    }
}

/// One label value.
pub(crate) trait LabelValue {
    fn write(&self, out: &mut String);
}

impl LabelValue for str {
    fn write(&self, out: &mut String) {
        out.push_str(self);
    }
}

/// Bytes of the kernel, which promises no encoding: each run of bytes that is not UTF-8 becomes one U+FFFD.
impl LabelValue for [u8] {
    fn write(&self, out: &mut String) {
        let mut after_invalid = false;
        for chunk in self.utf8_chunks() {
            if !chunk.valid().is_empty() {
                out.push_str(chunk.valid());
                after_invalid = false;
            }
            if !chunk.invalid().is_empty() && !after_invalid {
                out.push(char::REPLACEMENT_CHARACTER);
                after_invalid = true;
            }
        }
    }
}

/// The label value of the kernel's `bytes`, for those who keep it.
pub(crate) fn label_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    bytes.write(&mut text);
    text
}

impl LabelValue for String {
    fn write(&self, out: &mut String) {
        out.push_str(self);
    }
}

impl LabelValue for Vec<u8> {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }
}

impl<T: LabelValue + ?Sized> LabelValue for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

macro_rules! decimal_label_values {
    ($($int:ty)*) => {$(
        impl LabelValue for $int {
            fn write(&self, out: &mut String) {
                write!(out, "{self}").expect("a String takes any text");
            }
        }
    )*};
}
decimal_label_values! { u16 u32 u64 usize i32 i64 }

/// The `N` values of one sample: `()`, an array, or a tuple of different types.
pub(crate) trait LabelValues<const N: usize> {
    fn each(&self, push: &mut dyn FnMut(&dyn LabelValue));
}

impl LabelValues<0> for () {
    fn each(&self, _: &mut dyn FnMut(&dyn LabelValue)) {}
}

impl<T: LabelValue, const N: usize> LabelValues<N> for [T; N] {
    fn each(&self, push: &mut dyn FnMut(&dyn LabelValue)) {
        for value in self {
            push(value);
        }
    }
}

macro_rules! tuple_label_values {
    ($($n:literal: $($t:ident)+;)*) => {$(
        impl<$($t: LabelValue),+> LabelValues<$n> for ($($t,)+) {
            #[expect(non_snake_case, reason = "the type's letter names its value")]
            fn each(&self, push: &mut dyn FnMut(&dyn LabelValue)) {
                let ($($t,)+) = self;
                $(push($t);)+
            }
        }
    )*};
}
tuple_label_values! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
}
