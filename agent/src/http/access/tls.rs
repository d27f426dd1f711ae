//! TLS by rustls: Go's names for versions, suites, curves and client authentication become its objects. TLS 1.0 and
//! 1.1, and suites without forward secrecy, do not exist there.

use super::settings::{AccessError, Pem, TlsSettings};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, SupportedKxGroup, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::{
        NoClientAuth, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::{TLS12, TLS13},
};
use std::sync::Arc;
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

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
    let chain = certificates(&settings.cert, "cert_file").map_err(of_cert)?;
    let key = settings.key.read("key_file").map_err(of_key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| {
        of_key(AccessError::wrong(format!("failed to load X509KeyPair: private key: {error}")))
    })?;
    let versions = versions(&settings.min_version, &settings.max_version)
        .map_err(|error| error.about("web.tls.min_version", "TLS12 to TLS13 is the default"))?;
    let verifier = client_verifier(settings, &provider).map_err(|error| {
        let (key, remedy) = match settings.client_ca.is_set() {
            true => ("web.tls.client_ca_file", "name a PEM file of certificates that hostlens can read"),
            false => ("web.tls.client_auth_type", "set client_ca_file, too, or leave both out"),
        };
        error.about(key, remedy)
    })?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = builder
        .map_err(|error| AccessError::wrong(format!("TLS settings that exclude each other: {error}")))?;
    let mut config = builder
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| AccessError::wrong(format!("failed to load X509KeyPair: {error}")))
        .map_err(|error| error.about("web.tls.key_file", "certificate and key must belong together"))?;
    config.ignore_client_order = settings.ignores_client_order;
    if has_http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

fn certificates(pem: &Pem, what: &'static str) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let text = pem.read(what)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(AccessError::wrong(format!("{what} holds no PEM certificate"))),
        Err(error) => Err(AccessError::wrong(format!("{what}: {error}"))),
    }
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

fn client_verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, AccessError> {
    let must_be_given = match settings.client_auth_type.as_str() {
        "" | "NoClientCert" if settings.client_ca.is_set() => {
            return Err(AccessError::wrong("client CA's have been configured without a Client Auth Policy"));
        }
        "" | "NoClientCert" => return Ok(Arc::new(NoClientAuth)),
        "RequestClientCert" => return Ok(Arc::new(AnyClient::new(settings, provider, false))),
        "RequireClientCert" | "RequireAnyClientCert" => {
            return Ok(Arc::new(AnyClient::new(settings, provider, true)));
        }
        "VerifyClientCertIfGiven" => false,
        "RequireAndVerifyClientCert" => true,
        other => return Err(AccessError::wrong(format!("invalid ClientAuth: {other}"))),
    };
    if !settings.client_ca.is_set() {
        let name = &settings.client_auth_type;
        return Err(AccessError::wrong(format!(
            "{name} needs client_ca_file, the certificates to verify with"
        )));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&settings.client_ca, "client_ca_file")? {
        roots.add(certificate).map_err(|error| AccessError::wrong(format!("client_ca_file: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if must_be_given { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| AccessError::wrong(format!("client_ca_file: {error}")))?;
    if settings.client_allowed_sans.is_empty() {
        return Ok(verifier);
    }
    Ok(Arc::new(NamedClient { verifier, allowed: settings.client_allowed_sans.clone() }))
}

/// One of the client's names must be among `allowed`, beyond what `verifier` asks for.
#[derive(Debug)]
struct NamedClient {
    verifier: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

fn check_names(certificate: &CertificateDer<'_>, allowed: &[String]) -> Result<(), rustls::Error> {
    if allowed.is_empty() {
        return Ok(());
    }
    let names = names(certificate).unwrap_or_default();
    if names.iter().any(|name| allowed.contains(name)) {
        return Ok(());
    }
    Err(rustls::Error::General(
        "could not find allowed SANs in client cert, found: ".to_owned() + &names.join(", "),
    ))
}

/// The names of a certificate as Go spells them: DNS names, e-mail and IP addresses, URIs.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (_, SubjectAltName(names)) = certificate.tbs_certificate.get().ok()??;
    let name = |name| match name {
        GeneralName::DnsName(it) => Some(it.to_string()),
        GeneralName::Rfc822Name(it) => Some(it.to_string()),
        GeneralName::UniformResourceIdentifier(it) => Some(it.to_string()),
        GeneralName::IpAddress(it) => match *it.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => <[u8; 16]>::try_from(bytes).ok().map(|it| std::net::Ipv6Addr::from(it).to_string()),
        },
        _ => None,
    };
    Some(names.into_iter().filter_map(name).collect())
}

/// Takes any certificate whose key the client holds.
#[derive(Debug)]
struct AnyClient {
    must_be_given: bool,
    allowed: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl AnyClient {
    fn new(settings: &TlsSettings, provider: &Arc<CryptoProvider>, must_be_given: bool) -> Self {
        Self { must_be_given, allowed: settings.client_allowed_sans.clone(), provider: Arc::clone(provider) }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.must_be_given
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        check_names(certificate, &self.allowed).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for NamedClient {
    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(certificate, intermediates, now)?;
        check_names(certificate, &self.allowed).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
