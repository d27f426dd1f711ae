//! Messages on the wire: a header of 16 bytes and fields, padded to 8, and a body. Values are written and read by the
//! zbus crate.

use super::Error;
use zbus::{
    ObjectPath, Type, Variant,
    wire::{Endian, serialized, serialized::Context, to_bytes},
};

/// What the specification allows is four times as much; no service that we ask answers with so much.
const MAX_BYTES: usize = 32 << 20;
/// All of the header that every message has, without its fields.
const FIXED_BYTES: usize = 16;
/// Where the fields stand, after their length.
const FIELDS_AT: usize = 12;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const FAILED: u8 = 3;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A method of an object, and what it is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) service: &'a str,
    pub(crate) object: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) method: &'a str,
    pub(crate) arguments: &'a [&'a str],
}

impl Call<'_> {
    /// Appends the message.
    pub(super) fn write(&self, serial: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut body = Vec::new();
        for argument in self.arguments {
            let context = Context::new(Endian::Little, body.len());
            body.extend_from_slice(to_bytes(context, argument)?.bytes());
        }
        let fields = vec![
            (PATH, Variant::from(ObjectPath::try_from(self.object)?)),
            (INTERFACE, Variant::from(self.interface)),
            (MEMBER, Variant::from(self.method)),
            (DESTINATION, Variant::from(self.service)),
        ];
        let length = u32::try_from(body.len()).map_err(|_| Error::Malformed)?;
        let header = (b'l', CALL, 0u8, 1u8, length, serial, fields);
        let mut header = to_bytes(Context::new(Endian::Little, 0), &header)?.bytes().to_vec();
        if !self.arguments.is_empty() {
            self.write_signature(&mut header)?;
        }
        header.resize(header.len() + padding(header.len()), 0);
        out.extend_from_slice(&header);
        out.extend_from_slice(&body);
        Ok(())
    }

    /// Appends the field with the types of the body. By hand: zbus would have `(ss)`, one structure of two texts.
    fn write_signature(&self, header: &mut Vec<u8>) -> Result<(), Error> {
        let n_arguments = u8::try_from(self.arguments.len()).map_err(|_| Error::Malformed)?;
        header.resize(header.len() + padding(header.len()), 0);
        header.extend([SIGNATURE, 1, b'g', 0, n_arguments]);
        header.extend(std::iter::repeat_n(b's', self.arguments.len()));
        header.push(0);
        let length = u32::try_from(header.len() - FIXED_BYTES).map_err(|_| Error::Malformed)?;
        header[FIELDS_AT..FIXED_BYTES].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

/// What came back for a call: what a method returned, or an error.
pub(crate) struct Reply<'a> {
    /// The name of the error, such as `org.freedesktop.DBus.Error.UnknownProperty`; empty when there is none.
    error: String,
    signature: String,
    values: serialized::Data<'a, 'static>,
}

impl Reply<'_> {
    /// What was returned. `None` when there is no such thing, or not any more.
    ///
    /// # Errors
    /// When it is something else, or another error, in words.
    pub(crate) fn get<'d, T: serde::Deserialize<'d> + Type>(&'d self) -> Result<Option<T>, String> {
        let name = self.error.rsplit('.').next().unwrap_or_default();
        match name {
            "" => self.read().map(Some).ok_or_else(|| format!("an answer of type `{}`", self.signature)),
            "UnknownProperty" | "UnknownObject" | "UnknownInterface" | "UnknownMethod" | "ServiceUnknown"
            | "NoSuchUnit" => Ok(None),
            _ => Err(self.read::<&str>().map_or_else(|| name.to_owned(), |words| format!("{name}: {words}"))),
        }
    }

    fn read<'d, T: serde::Deserialize<'d> + Type>(&'d self) -> Option<T> {
        let is_of_type = *T::SIGNATURE == self.signature.as_str();
        self.values.deserialize().ok().filter(|_| is_of_type).map(|(value, _)| value)
    }
}

/// How many bytes the message takes that starts here; `None` when that is not known yet.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Error> {
    if bytes.len() < FIXED_BYTES {
        return Ok(None);
    }
    let number = |at: usize| read_u32(bytes, at).map(|it| it as usize);
    let (body, fields) = (number(4)?, number(FIELDS_AT)?);
    let header = FIXED_BYTES.saturating_add(fields);
    let length = header.saturating_add(padding(header)).saturating_add(body);
    if length > MAX_BYTES { Err(Error::Malformed) } else { Ok(Some(length)) }
}

/// The serial of the call that a whole message replies to, and what it says; `None` when it is no reply.
pub(super) fn reply(bytes: &[u8]) -> Result<Option<(u32, Reply<'_>)>, Error> {
    let endian = endian(bytes)?;
    let kind = bytes[1];
    if kind != RETURN && kind != FAILED {
        return Ok(None);
    }
    let header = FIXED_BYTES + read_u32(bytes, FIELDS_AT)? as usize;
    let (fields, body) = bytes.split_at_checked(header).ok_or(Error::Malformed)?;
    let body = body.get(padding(header)..).ok_or(Error::Malformed)?;
    let fields = serialized::Data::new(&fields[FIELDS_AT..], Context::new(endian, FIELDS_AT));
    let (fields, _): (Vec<(u8, Variant<'_>)>, _) = fields.deserialize()?;
    let (mut serial, mut signature, mut error) = (None, String::new(), String::new());
    for (code, value) in fields {
        match (code, value) {
            (REPLY_SERIAL, Variant::U32(number)) => serial = Some(number),
            (SIGNATURE, Variant::Signature(types)) => signature = types.to_string_no_parens(),
            (ERROR_NAME, Variant::Str(name)) => error = name.as_str().to_owned(),
            _ => {}
        }
    }
    let values = serialized::Data::new(body, Context::new(endian, 0));
    if (kind == FAILED) == error.is_empty() {
        return Err(Error::Malformed);
    }
    serial.map(|serial| Some((serial, Reply { error, signature, values }))).ok_or(Error::Malformed)
}

fn endian(bytes: &[u8]) -> Result<Endian, Error> {
    match bytes.first() {
        Some(b'l') => Ok(Endian::Little),
        Some(b'B') => Ok(Endian::Big),
        _ => Err(Error::Malformed),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let four: [u8; 4] = bytes.get(at..at + 4).and_then(|it| it.try_into().ok()).ok_or(Error::Malformed)?;
    Ok(match endian(bytes)? {
        Endian::Little => u32::from_le_bytes(four),
        Endian::Big => u32::from_be_bytes(four),
    })
}

/// From here to the next multiple of 8.
fn padding(length: usize) -> usize {
    length.next_multiple_of(8) - length
}

#[cfg(test)]
mod tests {
    use super::{super::peer, *};
    use crate::testing::fuzz;
    use std::hint::black_box;

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_replies() {
        let serial = || (REPLY_SERIAL, Variant::from(7_u32));
        let name = (ERROR_NAME, Variant::from("org.freedesktop.DBus.Error.Failed"));
        let text = peer::message(RETURN, 2, vec![serial()], "s", b"\x01\0\0\0x\0");
        let variant = peer::message(RETURN, 2, vec![serial()], "v", b"\x01s\0\0\x01\0\0\0x\0");
        let error = peer::message(FAILED, 3, vec![name, serial()], "s", b"\x01\0\0\0x\0");
        let take = |bytes: &[u8]| {
            let n_bytes = length(bytes).ok()??;
            let (_, reply) = reply(bytes.get(..n_bytes)?).ok()??;
            black_box((reply.get::<&str>().is_ok(), reply.get::<Vec<(&str, ObjectPath<'_>)>>().is_ok()));
            Some(reply.get::<Variant<'_>>().is_ok())
        };
        assert_eq!([&text, &variant, &error].map(|it| take(it)), [Some(false), Some(true), Some(false)]);
        fuzz(&[&text, &variant, &error], |bytes| {
            black_box(take(bytes));
        });
    }
}
