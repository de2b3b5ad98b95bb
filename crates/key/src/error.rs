//! The errors of a key. `remedy.rs` adds the remedy to each of them.

use std::borrow::Cow;
use std::fmt;

/// The expected type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// An RSA private key.
    PrivateKey,
    /// An X.509 certificate.
    Certificate,
    /// An RSA public key.
    PublicKey,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "a private key",
            Self::Certificate => "a certificate",
            Self::PublicKey => "a public key",
        })
    }
}

/// The resource that opening a key would exhaust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Memory.
    Memory,
    /// Time.
    Time,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Time => "time",
        })
    }
}

/// Why a value is not a usable key.
///
/// Displays the finding and the remedy. Callers put the name of the value before it
/// (`Secret messaging/flows-key, entry private.pem: `).
/// No variant holds or shows a byte of the value, except the identifiers of algorithms.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum KeyError {
    /// No bytes.
    #[error("the value is empty: {}", self.remedy())]
    Empty,
    /// Only white space.
    #[error("the value holds nothing but blanks: {}", self.remedy())]
    Blank,
    /// More than 64 KiB.
    #[error("the value is far longer than a key: {}", self.remedy())]
    TooLarge,
    /// PEM without its END line, or DER that is shorter than its length field.
    #[error("the file is cut off before its end: {}", self.remedy())]
    Truncated,
    /// Characters between BEGIN and END that are not base64.
    #[error("the text between the BEGIN and END lines is not base64: {}", self.remedy())]
    BadBase64,
    /// `BEGIN` without exactly the five dashes around it.
    #[error("the BEGIN line has lost its dashes: {}", self.remedy())]
    BrokenBeginLine,
    /// ASN.1 whose content does not match its outer structure.
    #[error("the file is damaged: {}", self.remedy())]
    Damaged,
    /// Text that is neither a key nor a known file.
    #[error("the value is a text, but not {expected}: {}", self.remedy())]
    OtherText {
        /// The expected type.
        expected: Expected,
    },
    /// Bytes that are neither a key nor a known file.
    #[error("the value is binary data, but not {expected}: {}", self.remedy())]
    OtherBinary {
        /// The expected type.
        expected: Expected,
    },
    /// Base64 whose content is PEM or base64 again.
    #[error("the value is base64-encoded once too often: {}", self.remedy())]
    DoubleBase64,
    /// The name of a file instead of its content.
    #[error("the value is the name of a file, not its content: {}", self.remedy())]
    FileName,

    /// A certificate instead of the expected type.
    #[error("the value is a certificate, where {expected} is expected: {}", self.remedy())]
    Certificate {
        /// The expected type.
        expected: Expected,
    },
    /// A certificate signing request (PKCS#10).
    #[error("the value is a certificate request, where {expected} is expected: {}", self.remedy())]
    CertificateRequest {
        /// The expected type.
        expected: Expected,
    },
    /// A public key instead of the expected type.
    #[error("the value is a public key, where {expected} is expected: {}", self.remedy())]
    PublicKey {
        /// The expected type.
        expected: Expected,
    },
    /// A private key instead of the expected type.
    #[error("the value is a private key, where {expected} is expected: {}", self.remedy())]
    PrivateKey {
        /// The expected type.
        expected: Expected,
    },

    /// A private key in OpenSSH's own format.
    #[error("the value is a private key in OpenSSH's format: {}", self.remedy())]
    OpenSshPrivateKey,
    /// A public key in OpenSSH's own format.
    #[error("the value is a public key in OpenSSH's format: {}", self.remedy())]
    OpenSshPublicKey,
    /// A PuTTY key file (`.ppk`).
    #[error("the value is a PuTTY key file: {}", self.remedy())]
    Putty,
    /// A file encrypted with age, or an age identity.
    #[error("the value is an age file: {}", self.remedy())]
    Age,
    /// A PGP block or key.
    #[error("the value is a PGP block: {}", self.remedy())]
    Pgp,
    /// A file that another tool encrypted as a whole.
    #[error("the value is still encrypted by {tool}: {}", self.remedy())]
    EncryptedFile {
        /// The tool's name.
        tool: &'static str,
    },
    /// A JSON Web Key or a set of them.
    #[error("the value is a JSON Web Key: {}", self.remedy())]
    Jwk,
    /// JSON without a PEM block in it.
    #[error("the value is a JSON document: {}", self.remedy())]
    Json,
    /// A PKCS#12 archive (`.p12`, `.pfx`).
    #[error("the value is a PKCS#12 archive: {}", self.remedy())]
    Pkcs12 {
        /// The expected type.
        expected: Expected,
    },
    /// A PKCS#7 bundle (`.p7b`).
    #[error("the value is a PKCS#7 bundle: {}", self.remedy())]
    Pkcs7 {
        /// The expected type.
        expected: Expected,
    },
    /// A Java key store in Java's own format.
    #[error("the value is a Java key store: {}", self.remedy())]
    JavaKeyStore,

    /// An RSA modulus that does not have 2048 bits.
    #[error("the RSA key has {bits} bits, where WhatsApp Flows takes 2048: {}", self.remedy())]
    WrongSize {
        /// Length of the modulus, in bits.
        bits: usize,
    },
    /// An even, too small or absurdly large public exponent.
    #[error("the RSA key has an unusable public exponent: {}", self.remedy())]
    BadExponent,
    /// An RSA key of more than two primes.
    #[error("the RSA key has more than two primes: {}", self.remedy())]
    MultiPrime,
    /// An RSA key bound to PSS signatures (`id-RSASSA-PSS`).
    #[error("the key is an RSA-PSS key, which may only sign: {}", self.remedy())]
    RsaPss,
    /// A key on an elliptic curve.
    #[error("the key is an elliptic curve key ({curve}), not RSA: {}", self.remedy())]
    EllipticCurve {
        /// The curve's name, or `another curve`.
        curve: &'static str,
    },
    /// An Ed25519 key.
    #[error("the key is an Ed25519 key, not RSA: {}", self.remedy())]
    Ed25519,
    /// A DSA key.
    #[error("the key is a DSA key, not RSA: {}", self.remedy())]
    Dsa,
    /// A key of another algorithm.
    #[error("the key is of the algorithm {algorithm}, not RSA: {}", self.remedy())]
    OtherAlgorithm {
        /// Its name, or its object identifier in dotted form.
        algorithm: String,
    },

    /// The key is encrypted, but the caller gave no passphrase.
    #[error("the private key is encrypted, and no passphrase is given: {}", self.remedy())]
    MissingPassphrase,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the private key: {}", self.remedy())]
    WrongPassphrase,
    /// The encryption of the key is not supported.
    #[error("the private key is encrypted with {scheme}, which is unsupported: {}", self.remedy())]
    UnsupportedEncryption {
        /// Name or dotted object identifier of the cipher, key derivation or scheme.
        scheme: Cow<'static, str>,
    },
    /// Opening the key would cost too much time or memory.
    #[error("opening the private key would take too much {excess} ({cost}): {}", self.remedy())]
    ExcessiveKeyDerivation {
        /// Memory or time.
        excess: Excess,
        /// The cost and the limit, as text for a person.
        cost: String,
    },
    /// The numbers of the private key do not belong together.
    #[error("the numbers of the private key do not belong together: {}", self.remedy())]
    Inconsistent,
    /// The certificate is for another key than the private key in the same Secret.
    #[error("the certificate does not belong to the private key: {}", self.remedy())]
    CertificateMismatch,
}

impl KeyError {
    /// Whether the passphrase is missing or wrong. A tool may be about to change its Secret.
    #[must_use]
    pub fn is_passphrase(&self) -> bool {
        matches!(self, Self::MissingPassphrase | Self::WrongPassphrase)
    }
}
