//! Requests as Go's HTTP server takes them, before anything looks at their path: `/%6detrics` is `/metrics`,
//! `//metrics` is sent there, and pairs of a query that are malformed are none.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, Version, header},
    middleware::Next,
    response::Response,
};

/// Refuses what RFC 9112 refuses, redirects to clean paths and hands on the rest with its path spelled as routes are.
pub(super) async fn normalize(mut request: Request, next: Next) -> Response {
    if request.version() == Version::HTTP_11 && request.headers().get_all(header::HOST).iter().count() != 1 {
        return bad_request("400 Bad Request: missing required Host header, or more than one");
    }
    if request.headers().get(header::HOST).is_some_and(|host| !host.as_bytes().iter().all(is_of_host)) {
        return bad_request("400 Bad Request: malformed Host header");
    }
    let uri = request.uri();
    // `*`, which is about the server, and what Go reads as no path at all.
    let Some(path) = unescape(uri.path(), b'+').filter(|path| path.starts_with(b"/")) else {
        return bad_request("400 Bad Request");
    };
    let wanted = clean(&path);
    if wanted != path && request.method() != Method::CONNECT {
        return moved(request.method(), &escape(&wanted), uri.query());
    }
    let spelled = escape(&wanted);
    if spelled != uri.path() {
        *request.uri_mut() = with_query(&spelled, uri.query()).parse::<Uri>().expect("it was escaped");
    }
    next.run(request).await
}

/// As in Go, whether a host can hold it; not whether they make one together.
fn is_of_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte)
}

/// Sends the client to `path`, as Go's `http.Redirect` does.
pub(super) fn moved(method: &Method, path: &str, query: Option<&str>) -> Response {
    let location = with_query(path, query);
    let text = match *method {
        Method::GET => format!("<a href=\"{}\">Moved Permanently</a>.\n\n", escape_html(&location)),
        _ => String::new(),
    };
    let mut response = answer(StatusCode::MOVED_PERMANENTLY, text);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(location).expect("paths and queries are ASCII"));
    if *method == Method::GET || *method == Method::HEAD {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    response
}

/// The pairs of a query, without those that are malformed: with a `;`, or an escape that is none.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let text = |escaped| Some(String::from_utf8_lossy(&unescape(escaped, b' ')?).into_owned());
    query.split('&').filter(|pair| !pair.contains(';')).filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((text(key)?, text(value)?))
    })
}

/// A path of the config in the spelling that routes have.
pub(super) fn route(path: &str) -> String {
    escape(&unescape(path, b'+').unwrap_or_else(|| path.as_bytes().to_vec()))
}

fn escape(path: &[u8]) -> String {
    let mut escaped = String::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => escaped.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What `text` spells, `plus` for each `+`; `None` where a `%` begins no escape.
fn unescape(text: &str, plus: u8) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            b'+' => plus,
            byte => byte,
        });
    }
    Some(plain)
}

/// The path without empty parts, `.` and `..`. A slash at its end stays.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut cleaned: Vec<u8> = parts.iter().flat_map(|part| [b"/", *part].concat()).collect();
    if path.ends_with(b"/") || cleaned.is_empty() {
        cleaned.push(b'/');
    }
    cleaned
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query.filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn escape_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

fn bad_request(text: &'static str) -> Response {
    let mut response = answer(StatusCode::BAD_REQUEST, text);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn answer(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fuzz;
    use std::hint::black_box;

    /// What is clean stays as it is, and is spelled in one way.
    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_paths_and_queries() {
        fuzz(&[b"/a//./b/../%6d/", b"collect[]=cpu&name%5B%5D=a+b&&x=%zz;y", b"/\xc3\xa9?<&'\""], |text| {
            let text = String::from_utf8_lossy(text);
            black_box(pairs(&text).count());
            let Some(path) = unescape(&text, b'+') else { return };
            let cleaned = clean(&path);
            assert_eq!(clean(&cleaned), cleaned);
            let spelled = escape(&cleaned);
            assert_eq!(unescape(&spelled, b'+').as_deref(), Some(&cleaned[..]));
            assert_eq!(route(&spelled), spelled);
            spelled.parse::<Uri>().unwrap();
        });
    }
}
