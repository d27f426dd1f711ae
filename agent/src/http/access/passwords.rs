//! HTTP basic authentication against bcrypt hashes, without remembering a password.

use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
};

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
    /// Who waits for it, by address, the latest last.
    waiting: Mutex<BTreeMap<Option<IpAddr>, Vec<Arc<Notify>>>>,
}

/// Too many passwords that are not known yet wait to be checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// How many may wait.
const MAX_WAITING: usize = 32;

/// How many of them may come from one address, so that a guesser does not keep others out.
const MAX_WAITING_OF_ONE: usize = 4;

/// A place among those that wait.
struct Place<'a> {
    passwords: &'a Passwords,
    peer: Option<IpAddr>,
    /// Told when another address got it.
    lost: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.passwords.waiting);
        if let Some(of_peer) = waiting.get_mut(&self.peer) {
            of_peer.retain(|it| !Arc::ptr_eq(it, &self.lost));
        }
        waiting.retain(|_, of_peer| !of_peer.is_empty());
    }
}

impl Passwords {
    /// # Errors
    /// When the kernel gives no random numbers.
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { key, known: Mutex::default(), at_work: Semaphore::new(1), waiting: Mutex::default() })
    }

    /// Whether the value of an `Authorization` header of `peer` names one of `users` and its password. Takes as long for
    /// a user that does not exist as for a wrong password; no time for a password that was found to fit before.
    ///
    /// # Errors
    /// When too many others wait to know.
    pub(super) async fn fit(
        &self,
        users: &BTreeMap<String, String>,
        authorization: Option<&[u8]>,
        peer: Option<IpAddr>,
    ) -> Result<bool, TooMany> {
        let Some((user, password)) = authorization.and_then(credentials) else { return Ok(false) };
        let (hash, exists) = hash_to_compare(users, &user);
        let tag = hmac::sign(&self.key, format!("{user}\0{hash}\0{password}").as_bytes());
        if exists && self.knows(&tag) {
            return Ok(true);
        }
        let place = self.place(peer.map(network)).ok_or(TooMany)?;
        let _turn = tokio::select! {
            biased;
            turn = self.at_work.acquire() => turn.expect("the semaphore is never closed"),
            () = place.lost.notified() => return Err(TooMany),
        };
        let compared = spawn_blocking(move || bcrypt::verify(password, &hash).is_ok_and(|fits| fits));
        let fits = compared.await.expect("bcrypt does not panic and is not cancelled");
        if exists && fits {
            self.remember(tag);
        }
        Ok(exists && fits)
    }

    /// Where all places are taken, the address that has most of them gives its latest to one that has fewer.
    fn place(&self, peer: Option<IpAddr>) -> Option<Place<'_>> {
        let mut waiting = lock(&self.waiting);
        let n_of_peer = waiting.get(&peer).map_or(0, Vec::len);
        if n_of_peer >= MAX_WAITING_OF_ONE {
            return None;
        }
        if waiting.values().map(Vec::len).sum::<usize>() >= MAX_WAITING {
            // Of two or more, the latest is not the one whose turn it is.
            let most =
                waiting.values_mut().max_by_key(|it| it.len()).filter(|it| it.len() > n_of_peer + 1)?;
            most.pop()?.notify_one();
        }
        let lost = Arc::new(Notify::new());
        waiting.entry(peer).or_default().push(Arc::clone(&lost));
        Some(Place { passwords: self, peer, lost })
    }

    fn knows(&self, tag: &hmac::Tag) -> bool {
        lock(&self.known).iter().any(|known| known.as_ref() == tag.as_ref())
    }

    fn remember(&self, tag: hmac::Tag) {
        let mut known = lock(&self.known);
        if known.len() == MAX_KNOWN {
            known.pop_front();
        }
        known.push_back(tag);
    }
}

/// Who has an IPv6 address has the 2⁶⁴ of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((u128::from(it) >> 64 << 64).into()),
        it => it,
    }
}

/// No code that holds these locks can leave a value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::testing::fuzz;

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
            assert_eq!(passwords.fit(&users, Some(header.as_bytes()), None).await, Ok(fits), "{header}");
        }
        assert_eq!(passwords.fit(&users, None, None).await, Ok(false));
        assert_eq!(lock(&passwords.known).len(), 1, "what did not fit is not remembered");
    }

    #[tokio::test]
    async fn a_new_hash_ends_what_was_remembered() {
        let (passwords, mut users) = (Passwords::new().unwrap(), users());
        let header = Some(&b"Basic YWxpY2U6c2VjcmV0"[..]);
        assert_eq!(passwords.fit(&users, header, None).await, Ok(true));
        users.insert("alice".to_owned(), bcrypt::hash("other", 6).unwrap());
        assert_eq!(passwords.fit(&users, header, None).await, Ok(false));
    }

    #[tokio::test]
    async fn guessers_keep_out_neither_the_known_nor_other_addresses() {
        let (passwords, users) = (Passwords::new().unwrap(), users());
        let (right, wrong) = (Some(&b"Basic YWxpY2U6c2VjcmV0"[..]), Some(&b"Basic YWxpY2U6c2VjcmU="[..]));
        let right_of_bob = Some(&b"Basic Ym9iOnNlY3JldA=="[..]);
        let (newcomer_address, other) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        assert_eq!(passwords.fit(&users, right, other).await, Ok(true));
        let turn = passwords.at_work.acquire().await.unwrap();
        let mut waiting = Vec::new();
        for address in 0..MAX_WAITING / MAX_WAITING_OF_ONE {
            let peer = Some([192, 0, 2, 10 + address as u8].into());
            for _ in 0..MAX_WAITING_OF_ONE {
                let mut one = Box::pin(passwords.fit(&users, wrong, peer));
                assert!(poll_once(&mut one).await.is_none(), "there is room for it");
                waiting.push(one);
            }
            assert_eq!(passwords.fit(&users, wrong, peer).await, Err(TooMany));
            assert_eq!(passwords.fit(&users, right, peer).await, Ok(true), "it is known");
        }
        // Who comes from an address that waits for nothing gets a place of those that wait for most.
        let mut newcomer = Box::pin(passwords.fit(&users, right_of_bob, newcomer_address));
        assert!(poll_once(&mut newcomer).await.is_none());
        let mut n_lost = 0;
        for one in &mut waiting {
            n_lost += usize::from(poll_once(one).await == Some(Err(TooMany)));
        }
        assert_eq!(n_lost, 1);
        assert_eq!(lock(&passwords.waiting).values().map(Vec::len).sum::<usize>(), MAX_WAITING);
        drop((turn, waiting));
        assert_eq!(newcomer.await, Ok(true));
        assert!(lock(&passwords.waiting).is_empty());
    }

    #[test]
    fn one_network_is_one_guesser() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    /// What it is ready with at once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! { biased; it = future => Some(it), () = std::future::ready(()) => None }
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

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_authorization() {
        fuzz(&[b"Basic dXNlcjpwYXNz", b"basic  Og==", b"Bearer x"], |header| drop(credentials(header)));
    }
}
