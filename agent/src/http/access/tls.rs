//! TLS by rustls: Go's names for versions, suites, curves and client authentication become its objects. TLS 1.0 and
//! 1.1, and suites without forward secrecy, do not exist there.

use super::{
    clients, keys,
    settings::{AccessError, TlsSettings},
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, ring},
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use std::sync::Arc;

/// What node_exporter offers beside ours.
pub(super) const NOT_OFFERED_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
pub(super) const NOT_OFFERED_CURVES: [&str; 1] = ["CurveP521"];

/// Reads the certificates and makes what a handshake needs.
pub(super) fn server_config(settings: &TlsSettings, has_http2: bool) -> Result<ServerConfig, AccessError> {
    match (settings.cert.is_set(), settings.key.is_set()) {
        (false, _) => {
            let key = if settings.key.is_set() { "web.tls.key_file" } else { "web.tls.client_auth_type" };
            let error = AccessError::wrong("missing one of cert or cert_file");
            return Err(error.about(key, "TLS needs a certificate: set web.tls.cert_file, too"));
        }
        (_, false) => {
            let error = AccessError::wrong("missing one of key or key_file");
            return Err(error.about("web.tls.cert_file", "set the certificate's key, web.tls.key_file, too"));
        }
        _ => {}
    }
    let of_suites =
        |error: AccessError| error.about("web.tls.cipher_suites", "without the key it is all of them");
    let of_curves =
        |error: AccessError| error.about("web.tls.curve_preferences", "without the key it is all of them");
    let provider = Arc::new(CryptoProvider {
        cipher_suites: cipher_suites(&settings.cipher_suites).map_err(of_suites)?,
        kx_groups: curves(&settings.curve_preferences).map_err(of_curves)?,
        ..ring::default_provider()
    });
    let of_cert =
        |error: AccessError| error.about("web.tls.cert_file", "name a PEM file that hostlens can read");
    let of_key =
        |error: AccessError| error.about("web.tls.key_file", "name a PEM file that hostlens can read");
    let chain = settings.cert.certificates("cert_file").map_err(of_cert)?;
    let key = settings.key.read("key_file").map_err(of_key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| {
        of_key(AccessError::wrong(format!("failed to load X509KeyPair: private key: {error}")))
    })?;
    let versions = versions(&settings.min_version, &settings.max_version)
        .map_err(|error| error.about("web.tls.min_version", "TLS12 to TLS13 is the default"))?;
    let verifier = clients::verifier(settings, &provider).map_err(|error| {
        let (key, remedy) = match settings.client_ca.is_set() {
            true => ("web.tls.client_ca_file", "name a PEM file of certificates that hostlens can read"),
            false => ("web.tls.client_auth_type", "set client_ca_file, too, or leave both out"),
        };
        error.about(key, remedy)
    })?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = builder
        .map_err(|error| AccessError::wrong(format!("TLS settings that exclude each other: {error}")))?;
    let why_not = keys::why_not(&chain[0]);
    let mut config =
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(|error| {
            let (why_not, remedy) = why_not
                .map_or((error.to_string(), "certificate and key must belong together"), |it| {
                    (it, keys::REMEDY)
                });
            AccessError::wrong(format!("failed to load X509KeyPair: {why_not}"))
                .about("web.tls.key_file", remedy)
        })?;
    config.ignore_client_order = settings.ignores_client_order;
    if has_http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

fn versions(min: &str, max: &str) -> Result<Vec<&'static SupportedProtocolVersion>, AccessError> {
    let number = |name: &str| match name {
        "TLS12" => Ok(2),
        "TLS13" => Ok(3),
        "TLS10" | "TLS11" => {
            Err(AccessError::wrong(format!("{name} is broken and not offered; use TLS12 or TLS13")))
        }
        _ => Err(AccessError::wrong(format!("unknown TLS version: {name}"))),
    };
    let allowed = number(min)?..=number(max)?;
    let versions: Vec<_> =
        [(2, &TLS12), (3, &TLS13)].into_iter().filter(|(it, _)| allowed.contains(it)).collect();
    if versions.is_empty() {
        return Err(AccessError::wrong(format!("min_version {min} is above max_version {max}")));
    }
    Ok(versions.into_iter().map(|(_, version)| version).collect())
}

/// Go's names. Those of TLS 1.3 cannot be chosen, in Go neither: all of them stay.
fn cipher_suites(names: &[String]) -> Result<Vec<rustls::SupportedCipherSuite>, AccessError> {
    /// What Go's `crypto/tls` knows and rustls refuses to.
    const WEAK: [&str; 3] = ["_CBC_", "_RC4_", "TLS_RSA_"];
    if names.is_empty() {
        return Ok(ring::ALL_CIPHER_SUITES.to_vec());
    }
    let go_name = |suite: &rustls::SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
    };
    let mut chosen: Vec<_> =
        ring::ALL_CIPHER_SUITES.iter().copied().filter(|it| it.tls13().is_some()).collect();
    for name in names {
        match ring::ALL_CIPHER_SUITES.iter().find(|suite| go_name(suite) == *name) {
            Some(suite) if suite.tls13().is_some() => {}
            Some(suite) => chosen.push(*suite),
            None if WEAK.iter().any(|it| name.contains(it)) => {
                let known: Vec<_> = ring::ALL_CIPHER_SUITES.iter().map(go_name).collect();
                let known = known.join(", ");
                return Err(AccessError::wrong(format!(
                    "cipher {name} is weak and not offered; there are {known}"
                )));
            }
            None => return Err(AccessError::wrong(format!("unknown cipher: {name}"))),
        }
    }
    Ok(chosen)
}

fn curves(names: &[String]) -> Result<Vec<&'static dyn SupportedKxGroup>, AccessError> {
    if names.is_empty() {
        return Ok(ring::ALL_KX_GROUPS.to_vec());
    }
    let curve = |name: &String| match name.as_str() {
        "X25519" => Ok(ring::kx_group::X25519),
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        "CurveP521" => {
            Err(AccessError::wrong("curve CurveP521 is not offered; there are X25519, CurveP256, CurveP384"))
        }
        _ => Err(AccessError::wrong(format!("unknown curve: {name}"))),
    };
    names.iter().map(curve).collect()
}
