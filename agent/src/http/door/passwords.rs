//! HTTP basic authentication against bcrypt hashes, without remembering a password.

use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Right answers that are remembered.
const MAX_KNOWN: usize = 100;

/// Checks passwords.
pub(super) struct Passwords {
    /// Made at start: what is remembered is worth nothing in another process.
    key: hmac::Key,
    /// Tags of user, hash and password that were found to fit, the latest last.
    known: Mutex<VecDeque<hmac::Tag>>,
    /// bcrypt takes a tenth of a second of CPU: one at a time, so that guessing cannot take more than one.
    at_work: Semaphore,
}

impl Passwords {
    /// # Errors
    /// When the kernel gives no random numbers.
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { key, known: Mutex::default(), at_work: Semaphore::new(1) })
    }

    /// Whether the value of an `Authorization` header names one of `users` and its password. Takes as long for a user
    /// that does not exist as for a wrong password.
    pub(super) async fn fit(&self, users: &BTreeMap<String, String>, authorization: Option<&[u8]>) -> bool {
        let Some((user, password)) = authorization.and_then(credentials) else { return false };
        let (hash, exists) = hash_to_compare(users, &user);
        let tag = hmac::sign(&self.key, format!("{user}\0{hash}\0{password}").as_bytes());
        if exists && self.knows(&tag) {
            return true;
        }
        let _turn = self.at_work.acquire().await.expect("the semaphore is never closed");
        let compared = spawn_blocking(move || bcrypt::verify(password, &hash).is_ok_and(|fits| fits));
        let fits = compared.await.expect("bcrypt does not panic and is not cancelled");
        if exists && fits {
            self.remember(tag);
        }
        exists && fits
    }

    fn knows(&self, tag: &hmac::Tag) -> bool {
        self.known().iter().any(|known| known.as_ref() == tag.as_ref())
    }

    fn remember(&self, tag: hmac::Tag) {
        let mut known = self.known();
        if known.len() == MAX_KNOWN {
            known.pop_front();
        }
        known.push_back(tag);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, VecDeque<hmac::Tag>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash that `user`'s password is compared with, and whether it is the user's own. For a user that does not exist
/// it is someone's all the same; of several the dearest, which is not the quicker one.
fn hash_to_compare(users: &BTreeMap<String, String>, user: &str) -> (String, bool) {
    match users.get(user) {
        Some(hash) => (hash.clone(), true),
        None => (users.values().max_by_key(|hash| cost(hash)).cloned().unwrap_or_default(), false),
    }
}

/// The cost in `$2y$10$…`.
fn cost(hash: &str) -> Option<u32> {
    hash.split('$').nth(2)?.parse().ok()
}

/// User and password of `Basic dXNlcjpwYXNz`.
fn credentials(authorization: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(authorization).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| decode_base64(encoded.trim()))??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// RFC 4648, 4.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().try_fold(0_u32, |bits, byte| {
            let value = ALPHABET.iter().position(|it| it == byte)?;
            Some(bits << 6 | value as u32)
        })?;
        let [_, bytes @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        out.extend_from_slice(bytes.get(..group.len() - 1)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> BTreeMap<String, String> {
        let hash = bcrypt::hash("secret", 6).unwrap();
        [("alice".to_owned(), hash.clone()), ("bob".to_owned(), hash)].into()
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_user_fits() {
        let (passwords, users) = (Passwords::new().unwrap(), users());
        for (header, fits) in [
            ("Basic YWxpY2U6c2VjcmV0", true), // alice:secret
            ("basic YWxpY2U6c2VjcmV0", true),
            ("Basic YWxpY2U6c2VjcmV0", true),
            ("Basic YWxpY2U6c2VjcmU=", false), // alice:secre
            ("Basic Y2Fyb2w6c2VjcmV0", false), // carol:secret
            ("Basic YWxpY2U=", false),         // alice
            ("Basic !", false),
            ("Bearer YWxpY2U6c2VjcmV0", false),
            ("Basic YWxpY2U6c2VjcmU=", false),
        ] {
            assert_eq!(passwords.fit(&users, Some(header.as_bytes())).await, fits, "{header}");
        }
        assert!(!passwords.fit(&users, None).await);
        assert_eq!(passwords.known().len(), 1, "what did not fit is not remembered");
    }

    #[tokio::test]
    async fn a_new_hash_ends_what_was_remembered() {
        let (passwords, mut users) = (Passwords::new().unwrap(), users());
        let header = Some(&b"Basic YWxpY2U6c2VjcmV0"[..]);
        assert!(passwords.fit(&users, header).await);
        users.insert("alice".to_owned(), bcrypt::hash("other", 6).unwrap());
        assert!(!passwords.fit(&users, header).await);
    }

    #[test]
    fn an_unknown_user_is_compared_with_a_hash_as_dear_as_any() {
        let mut users = users();
        let dear = bcrypt::hash("secret", 7).unwrap();
        users.insert("dave".to_owned(), dear.clone());
        assert_eq!(hash_to_compare(&users, "dave"), (dear.clone(), true));
        assert_eq!(hash_to_compare(&users, "erin"), (dear, false));
    }

    #[test]
    fn decodes_base64() {
        for (text, decoded) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE", "fooba")]
        {
            assert_eq!(decode_base64(text).unwrap(), decoded.as_bytes());
        }
        assert_eq!(decode_base64("Z"), Some(Vec::new()));
        assert_eq!(decode_base64("Z g="), None);
    }
}
