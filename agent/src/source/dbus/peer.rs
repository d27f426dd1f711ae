//! A bus with one service on it, for tests.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::Arc,
    thread,
};
use zbus::{
    ObjectPath, Signature, Type, Variant,
    wire::{Endian, serialized::Context, serialized::Data, to_bytes},
};

/// A call as the service sees it.
pub(crate) struct Asked {
    pub(crate) object: String,
    pub(crate) interface: String,
    pub(crate) method: String,
    pub(crate) arguments: Vec<String>,
}

pub(crate) enum Answer {
    Value {
        signature: String,
        bytes: Vec<u8>,
    },
    Error(&'static str),
    /// Nothing, and the connection stays.
    Silence,
    HangUp,
    /// What is no message.
    Noise,
}

/// What a method returns.
pub(crate) fn value<T: serde::Serialize + Type>(value: &T) -> Answer {
    let bytes = to_bytes(Context::new(Endian::Little, 0), value).unwrap().bytes().to_vec();
    Answer::Value { signature: T::SIGNATURE.to_string(), bytes }
}

/// What `Properties.Get` returns.
pub(crate) fn property<'a>(it: impl Into<Variant<'a>>) -> Answer {
    value(&it.into())
}

/// Serves at `path` until the test ends.
pub(crate) fn serve(path: &Path, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            // A client that goes away ends its thread.
            thread::spawn(move || talk(stream.unwrap(), &*answer).unwrap_or_default());
        }
    });
}

fn talk(mut stream: UnixStream, answer: &dyn Fn(&Asked) -> Answer) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    for (sent, said) in
        [("\0AUTH EXTERNAL\r\n", "DATA\r\n"), ("DATA\r\n", "OK 1234deadbeef\r\n"), ("BEGIN\r\n", "")]
    {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        assert_eq!(line, sent);
        stream.write_all(said.as_bytes())?;
    }
    loop {
        let mut bytes = vec![0; 16];
        reader.read_exact(&mut bytes)?;
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (body_length, serial, fields_length) = (number(4), number(8) as u32, number(12));
        let header_length = (16 + fields_length).div_ceil(8) * 8;
        bytes.resize(header_length + body_length, 0);
        reader.read_exact(&mut bytes[16..])?;
        let asked = read(&bytes, header_length);
        let answer = match &*asked.method {
            "Hello" => value(&":1.7"),
            _ => answer(&asked),
        };
        // A signal, as the bus sends one at least.
        let signal = (7u8, Variant::from("org.freedesktop.DBus"));
        stream.write_all(&message(4, 1, vec![signal], "s", b"\x01\0\0\0x\0"))?;
        match answer {
            Answer::Value { signature, bytes } => {
                let fields = vec![(5, Variant::from(serial))];
                stream.write_all(&message(2, 2, fields, &signature, &bytes))?;
            }
            Answer::Error(name) => {
                let fields = vec![(4, Variant::from(name)), (5, Variant::from(serial))];
                stream.write_all(&message(3, 3, fields, "s", b"\x01\0\0\0x\0"))?;
            }
            Answer::Silence => {}
            Answer::HangUp => return Ok(()),
            Answer::Noise => stream.write_all(&[b'!'; 64])?,
        }
    }
}

fn read(bytes: &[u8], header_length: usize) -> Asked {
    let header = Data::new(bytes, Context::new(Endian::Little, 0));
    type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);
    let (header, _): (Header<'_>, _) = header.deserialize().unwrap();
    assert_eq!((header.0, header.1, header.3), (b'l', 1, 1));
    let text = |code: u8| {
        let field = header.6.iter().find(|it| it.0 == code).map(|it| &it.1);
        match field {
            Some(Variant::Str(text)) => text.to_string(),
            Some(Variant::ObjectPath(path)) => path.to_string(),
            Some(Variant::Signature(types)) => types.to_string_no_parens(),
            _ => String::new(),
        }
    };
    let body = Data::new(&bytes[header_length..], Context::new(Endian::Little, 0));
    // As it stands on the wire: to zbus `ss` and `(ss)` are the same, to a service they are not.
    let has_two_texts = bytes[..header_length].windows(8).any(|it| it == b"\x08\x01g\0\x02ss\0");
    let arguments = if has_two_texts {
        let ((one, two), _): ((String, String), _) = body.deserialize().unwrap();
        vec![one, two]
    } else {
        assert_eq!((&*text(8), bytes.len()), ("", header_length), "arguments of another type");
        Vec::new()
    };
    assert!(ObjectPath::try_from(text(1)).is_ok());
    Asked { object: text(1), interface: text(2), method: text(3), arguments }
}

pub(super) fn message(
    kind: u8,
    serial: u32,
    mut fields: Vec<(u8, Variant<'_>)>,
    signature: &str,
    body: &[u8],
) -> Vec<u8> {
    fields.push((8, Variant::from(Signature::try_from(signature).unwrap())));
    let header = (b'l', kind, 1u8, 1u8, body.len() as u32, serial, fields);
    let mut bytes = to_bytes(Context::new(Endian::Little, 0), &header).unwrap().bytes().to_vec();
    bytes.resize(bytes.len().div_ceil(8) * 8, 0);
    bytes.extend_from_slice(body);
    bytes
}
