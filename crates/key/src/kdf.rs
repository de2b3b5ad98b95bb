//! Key derivation for encrypted PKCS#8: PBKDF2 (RFC 8018, section 5.2) and scrypt (RFC 7914).

use rsa::pkcs8::AlgorithmIdentifierRef;
use rsa::pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use rsa::pkcs8::der::{self, Decode, Reader};
use scrypt::Params as ScryptParams;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::error::{Excess, KeyError};
use super::identifier::{damaged, parameters, unsupported};

/// Limit of PBKDF2 iterations: seconds of work. OpenSSL's default is 2048, OWASP's advice around a million.
const MAX_ITERATIONS: u64 = 10_000_000;
/// Limit of scrypt's memory, in bytes. OpenSSL's default takes 16 MiB. OpenSSL opens no key that takes more than 32
/// MiB.
const MAX_SCRYPT_MEMORY: u64 = 32 << 20;
/// Limit of the bytes that all scrypt lanes fill together: seconds of work.
const MAX_SCRYPT_WORK: u64 = 4 * MAX_SCRYPT_MEMORY;

const MEBIBYTE: u64 = 1 << 20;

/// A key derivation. All its parameters are within the limits.
pub(super) enum Kdf<'a> {
    Pbkdf2 { salt: &'a [u8], iterations: u32, hash: Hash },
    Scrypt { salt: &'a [u8], parameters: ScryptParams },
}

/// The hash of PBKDF2's HMAC.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl<'a> Kdf<'a> {
    /// Parses the keyDerivationFunc of PBES2, for a key of `key_len` bytes.
    pub(super) fn parse(algorithm: AlgorithmIdentifierRef<'a>, key_len: usize) -> Result<Self, KeyError> {
        let (kdf, stated_len) = match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.5.12" => Self::parse_pbkdf2(parameters(algorithm)?)?,
            "1.3.6.1.4.1.11591.4.11" => Self::parse_scrypt(parameters(algorithm)?)?,
            _ => return Err(unsupported(algorithm.oid)),
        };
        match stated_len {
            Some(stated_len) if stated_len != key_len as u64 => Err(KeyError::Damaged),
            _ => Ok(kdf),
        }
    }

    /// Parses PBKDF2-params. Also returns the length of the key, if the parameters contain it.
    fn parse_pbkdf2(parameters: AnyRef<'a>) -> Result<(Self, Option<u64>), KeyError> {
        let (salt, iterations, key_len, prf) = parameters
            .sequence(|reader| {
                let salt = OctetStringRef::decode(reader)?.as_bytes();
                let iterations = number(reader)?;
                let key_len = Option::<UintRef<'_>>::decode(reader)?.map(saturate);
                let prf = Option::<AlgorithmIdentifierRef<'_>>::decode(reader)?;
                Ok((salt, iterations, key_len, prf))
            })
            .map_err(damaged)?;
        let hash = prf.map_or(Ok(Hash::Sha1), |prf| Hash::of_hmac(prf.oid))?;
        match u32::try_from(iterations) {
            Ok(0) => Err(KeyError::Damaged),
            Ok(count) if iterations <= MAX_ITERATIONS => Ok((Self::Pbkdf2 { salt, iterations: count, hash }, key_len)),
            _ => Err(KeyError::ExcessiveKeyDerivation {
                excess: Excess::Time,
                cost: format!("PBKDF2 with {iterations} iterations, where {MAX_ITERATIONS} are allowed"),
            }),
        }
    }

    /// Parses scrypt-params. Also returns the length of the key, if the parameters contain it.
    fn parse_scrypt(parameters: AnyRef<'a>) -> Result<(Self, Option<u64>), KeyError> {
        let (salt, n, r, p, key_len) = parameters
            .sequence(|reader| {
                let salt = OctetStringRef::decode(reader)?.as_bytes();
                let (n, r, p) = (number(reader)?, number(reader)?, number(reader)?);
                let key_len = Option::<UintRef<'_>>::decode(reader)?.map(saturate);
                Ok((salt, n, r, p, key_len))
            })
            .map_err(damaged)?;
        // One lane at a time fills 128·N·r bytes. In addition, every lane keeps 128·r bytes.
        let block = r.saturating_mul(128);
        let memory = block.saturating_mul(n.max(p));
        let work = block.saturating_mul(n).saturating_mul(p);
        for (excess, bytes, most) in
            [(Excess::Memory, memory, MAX_SCRYPT_MEMORY), (Excess::Time, work, MAX_SCRYPT_WORK)]
        {
            if bytes > most {
                let (needed, most) = (bytes.div_ceil(MEBIBYTE), most / MEBIBYTE);
                let cost = format!("scrypt with N={n}, r={r}, p={p} fills {needed} MiB, where {most} MiB are allowed");
                return Err(KeyError::ExcessiveKeyDerivation { excess, cost });
            }
        }
        let parameters = scrypt_params(n, r, p).ok_or(KeyError::Damaged)?;
        Ok((Self::Scrypt { salt, parameters }, key_len))
    }

    /// Derives the key into `key`.
    pub(super) fn derive(&self, passphrase: &[u8], key: &mut [u8]) -> Result<(), KeyError> {
        match self {
            Self::Pbkdf2 { salt, iterations, hash } => {
                hash.pbkdf2(passphrase, salt, *iterations, key);
                Ok(())
            }
            Self::Scrypt { salt, parameters } => {
                scrypt::scrypt(passphrase, salt, parameters, key).map_err(|_| KeyError::Damaged)
            }
        }
    }
}

impl Hash {
    fn of_hmac(oid: ObjectIdentifier) -> Result<Self, KeyError> {
        match oid.to_string().as_str() {
            "1.2.840.113549.2.7" => Ok(Self::Sha1),
            "1.2.840.113549.2.8" => Ok(Self::Sha224),
            "1.2.840.113549.2.9" => Ok(Self::Sha256),
            "1.2.840.113549.2.10" => Ok(Self::Sha384),
            "1.2.840.113549.2.11" => Ok(Self::Sha512),
            _ => Err(unsupported(oid)),
        }
    }

    fn pbkdf2(self, passphrase: &[u8], salt: &[u8], iterations: u32, key: &mut [u8]) {
        let derive = match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>,
            Self::Sha224 => pbkdf2::pbkdf2_hmac::<Sha224>,
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>,
            Self::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>,
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>,
        };
        derive(passphrase, salt, iterations, key);
    }
}

/// `None` if the values violate RFC 7914, section 2.
fn scrypt_params(n: u64, r: u64, p: u64) -> Option<ScryptParams> {
    if n < 2 || !n.is_power_of_two() {
        return None;
    }
    let log_n = n.trailing_zeros().try_into().ok()?;
    let (r, p) = (r.try_into().ok()?, p.try_into().ok()?);
    ScryptParams::new(log_n, r, p, ScryptParams::RECOMMENDED_LEN).ok()
}

fn number<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<u64> {
    UintRef::decode(reader).map(saturate)
}

/// A number of any length, saturated at `u64::MAX`.
fn saturate(number: UintRef<'_>) -> u64 {
    let bytes = number.as_bytes();
    if bytes.len() > size_of::<u64>() {
        return u64::MAX;
    }
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
