//! Why a certificate that other servers serve with is none for rustls and its provider.

use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate, Version,
    der::{
        Decode as _, Reader as _, SliceReader,
        asn1::{AnyRef, UintRef},
        oid::ObjectIdentifier,
    },
};

pub(super) const REMEDY: &str =
    "make a key of P-256, P-384, Ed25519 or RSA with 2048 to 4096 bits, and a certificate of X.509 version 3";

/// In words with a remedy, as far as its version and its key tell it; `None` if the fault is another.
pub(super) fn why_not(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
    if certificate.version != Version::V3 {
        let version = certificate.version as u8 + 1;
        return Some(format!("the certificate is of X.509 version {version}; {REMEDY}"));
    }
    let key = certificate.subject_public_key_info;
    let named = |oid: Option<ObjectIdentifier>| oid.map_or_else(|| "explicit parameters".to_owned(), name);
    let kind = match key.algorithm.oid.to_string().as_str() {
        "1.2.840.10045.2.1" => {
            let curve =
                key.algorithm.parameters.as_ref().and_then(|it| it.decode_as::<ObjectIdentifier>().ok());
            let is_offered = curve.is_some_and(|it| ["P-256", "P-384"].contains(&name(it).as_str()));
            (!is_offered).then(|| format!("of an elliptic curve, {}", named(curve)))?
        }
        "1.2.840.113549.1.1.1" => {
            let n_bits = modulus_bits(key.subject_public_key.as_bytes()?)?;
            (!(2048..=4096).contains(&n_bits)).then(|| format!("of RSA with {n_bits} bits"))?
        }
        "1.3.101.112" => return None,
        _ => format!("of {}", name(key.algorithm.oid)),
    };
    Some(format!("the key is {kind}, which is not offered; {REMEDY}"))
}

fn name(oid: ObjectIdentifier) -> String {
    let oid = oid.to_string();
    let name = match oid.as_str() {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.33" => "P-224",
        "1.3.132.0.10" => "secp256k1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.113" => "Ed448",
        other => other,
    };
    name.to_owned()
}

/// RFC 8017, A.1.1: modulus and exponent.
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let modulus = reader.sequence(|fields| {
        let modulus = UintRef::decode(fields)?;
        AnyRef::decode(fields).map(|_| modulus)
    });
    let modulus = modulus.ok()?;
    let first = modulus.as_bytes().first()?;
    Some(modulus.as_bytes().len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;

    const P521: &str = "\
-----BEGIN CERTIFICATE-----
MIIB9jCCAVigAwIBAgIUYOq45t/oMD6BHTBfh/u+6rhlnU8wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjkwMDIwMzNaGA8yMTI2MTEwNTAwMjAzM1ow
DDEKMAgGA1UEAwwBYTCBmzAQBgcqhkjOPQIBBgUrgQQAIwOBhgAEABlAPD9mlHv6
WUh/2TQHPTW08eeM63RXw9q3S036TAxEIZKPPJn6kxPBj3bn2Zg0ajxav3BCAgn8
Hmog0dIQO9JtAAhad+wIHaNJOMGCljXN5wIfmmMhUpzVFh3stx9VDmbdi0dIpWVv
c6XKcGA8gfJjtpPifol1ERCUQvVImI8IS11jo1MwUTAdBgNVHQ4EFgQUKNB1YqEw
OfJKjRfdeA9JAx5h4iswHwYDVR0jBBgwFoAUKNB1YqEwOfJKjRfdeA9JAx5h4isw
DwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgOBiwAwgYcCQQlVxWPLnqeelhcZ
3S4xVv7UDDaU0Yjw0nZUgS+R/uCVwNwkP71sVx88pRFB/5m+NgID+zN3qoozAt4h
ZWLReNAGAkIBIKfrclnw5tmaqfgwwevQ4SZTUIBbZZg8jW9/DEPD021oo6BrW//2
q1JZ7pqvu5ha3c60kOjXteoINXuuyT+ajtk=
-----END CERTIFICATE-----
";
    const RSA_1024: &str = "\
-----BEGIN CERTIFICATE-----
MIIB9jCCAV+gAwIBAgIUeGOoFtcrIHOmIz/1IN965djMJZEwDQYJKoZIhvcNAQEL
BQAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkwMDIwMzNaGA8yMTI2MTEwNTAwMjAz
M1owDDEKMAgGA1UEAwwBYTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAtKSo
2XZxKRCW0xJb1cgZjt69ktj+KZYsDM+F99N+vwuaPHEYtob8ymrSfInctNWKkowe
VamKLeQGOEFwBWpYdF7omLWIhWZ6kZcp0tVZ53vBHn/kUUd53vESosdZ/zhmJRuM
0QgPaPz5Co99nMiRAUkE39a1eFX4vTkjqYB4hJcCAwEAAaNTMFEwHQYDVR0OBBYE
FLnh1pyglN7yPXpb2h2wqYXDTZEFMB8GA1UdIwQYMBaAFLnh1pyglN7yPXpb2h2w
qYXDTZEFMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAPpXeCD3r
QkaocBdnuQO28TvzwfOzcnRuQ/A0boBmJnHLBPKFTIhhNbb5ipCDrnadJFIzM+9V
sOQT/W0FXzVIi8mdsJpF+PqlM9W1L3F0sskl4vx4NWnjQx3LLq91C8JSZ25cYo1j
SOAACCTrkntngg78B0BIAFMapwPzkqpW8eo=
-----END CERTIFICATE-----
";
    const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBFDCBuwIUMLuhcRTqM/OjCzp0jhV5bePvqV8wCgYIKoZIzj0EAwIwDDEKMAgG
A1UEAwwBYTAgFw0yNjExMjkwMDIwMzNaGA8yMTI2MTEwNTAwMjAzM1owDDEKMAgG
A1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDCpbxjEDKhraDIVZlyH
Yf32ZKmfgmbtkUc1fa3E399pI+3FmeSTXp+kzlqfjV/iajhK1AOgy734VQgfDW7H
SmgwCgYIKoZIzj0EAwIDSAAwRQIhAO/IVmVlciZMFslbV1fIzmxDPCBLQ3iks8IA
53JST8izAiAmqYiUo0id4/S/nr4fX/d1poV2zC1mQl7m8MSW0mShww==
-----END CERTIFICATE-----
";
    const P256: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUEUinuVLGxc+1esS2wjM/zQ33WCMwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjkwMDIwMzNaGA8yMTI2MTEwNTAwMjAzM1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCnHr1YSMvOg
uAr83CCdjEMr9Hsp+dGuJTDgoot++F6HdkTrE0b+86AxHVReWdVgBc8uVQA/MUNb
Ha0tnQaVMbqjUzBRMB0GA1UdDgQWBBSoZFrj+oPlly+Plr58pT/DLDA6kzAfBgNV
HSMEGDAWgBSoZFrj+oPlly+Plr58pT/DLDA6kzAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIE7fmSJw9kYmWmpyKkphhmO8FoZ2SD6KfDAV5XsBG2Sg
AiAnXNzghg+K4oc19p9O0Amvf7b6DdoXRB0DT+45x1GNVQ==
-----END CERTIFICATE-----
";

    #[test]
    fn says_what_is_not_offered() {
        for (pem, why) in [
            (P521, Some("the key is of an elliptic curve, P-521, which is not offered")),
            (RSA_1024, Some("the key is of RSA with 1024 bits, which is not offered")),
            (VERSION_1, Some("the certificate is of X.509 version 1")),
            (P256, None),
        ] {
            let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            assert_eq!(why_not(&certificate), why.map(|it| format!("{it}; {REMEDY}")));
        }
    }
}
