//! Bit fields of the kernel's structs, each within one byte: where it is and how wide, in one number.

/// Bits of the number that say where it is: in bits from the struct's beginning.
const PLACE: u32 = 24;

/// The number of a field of `width` bits; `None` of one that is not within a byte.
pub const fn constant(place: u32, width: u32) -> Option<u32> {
    let is_within = width > 0 && place % 8 + width <= 8 && place < 1 << PLACE;
    if is_within { Some(width << PLACE | place) } else { None }
}

/// The byte that it is in, from the struct's beginning.
#[inline(always)]
pub const fn byte(constant: u32) -> u32 {
    (constant & ((1 << PLACE) - 1)) / 8
}

/// What the field holds, of its byte.
#[inline(always)]
pub const fn value(constant: u32, byte: u8) -> u8 {
    (byte as u32 >> (constant % 8) & ((1 << (constant >> PLACE)) - 1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_field_out_of_its_byte() {
        let low = constant(9984, 5).unwrap();
        assert_eq!((byte(low), value(low, 0b1110_0011)), (1248, 0b0_0011));
        let high = constant(9984 + 6, 2).unwrap();
        assert_eq!((byte(high), value(high, 0b1011_1111)), (1248, 0b10));
        let whole = constant(8, 8).unwrap();
        assert_eq!((byte(whole), value(whole, 0xab)), (1, 0xab));
        assert_eq!([constant(6, 3), constant(0, 0), constant(0, 32)], [None; 3]);
    }
}
