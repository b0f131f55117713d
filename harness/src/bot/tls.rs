//! TLS to a signaling server: whom a bot trusts, and why it does not.
//!
//! Owns the wrapping of a byte stream; what is said over it is not its business.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::access::Access;

/// Authorities that cannot be trusted because they cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TrustError {
    /// The file of `--ca`.
    #[error("{file}: {reason}; give a PEM file with one or more certificates")]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nobody to trust.
    #[error("this machine has no certificate authorities; give some with --ca FILE.pem (Access::ca)")]
    Nobody,
    /// The library.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// TLS as a bot does it.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// Reads the authorities of the machine and of the access.
    pub(super) fn new(access: &Access) -> Result<Self, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let setup = |error: Error| TrustError::Setup(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let config = if access.is_insecure() {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(TrustsAnybody(provider)))
                .with_no_client_auth()
        } else {
            builder
                .with_root_certificates(roots(access)?)
                .with_no_client_auth()
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Shakes hands over a stream to `host`.
    ///
    /// # Errors
    ///
    /// The stream's, or the certificate's: its reason is in the error's text.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error: InvalidDnsNameError| std::io::Error::other(error.to_string()))?;
        self.connector.connect(name, stream).await
    }
}

/// Whether a stream ended because of a certificate.
pub(super) fn is_distrust(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
        .is_some_and(|error| matches!(error, Error::InvalidCertificate(_)))
}

fn roots(access: &Access) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = access.authorities() {
        let fail = |reason: String| TrustError::Authorities {
            file: file.to_owned(),
            reason,
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| fail(error.to_string()))?;
        if certificates.is_empty() {
            return Err(fail("it has no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| fail(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        return Err(TrustError::Nobody);
    }
    Ok(roots)
}

/// Takes every certificate, and still holds its owner to it.
#[derive(Debug)]
struct TrustsAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsAnybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
