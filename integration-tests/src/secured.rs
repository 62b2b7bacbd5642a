//! A broker that lets in nobody whom it does not know: by certificate, or by a password over TLS; and what each may do there is written
//! down. The plain listener is for whoever sets it up.
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::kafka::{Cluster, Extra};
use crate::process::root;

/// Takes those who have a certificate of the right authority.
pub const BY_CERTIFICATE: &str = "CERTIFICATE";
/// Takes those who know a password, and shows a certificate itself.
pub const BY_PASSWORD: &str = "PASSWORD";
pub const PASSWORD: &str = "not-to-be-shown-anywhere";
/// Who may come in by password.
pub const USERS: [&str; 2] = ["orders", "stranger"];

/// A broker, and the certificates that it and others have.
pub struct Secured {
    pub cluster: Cluster,
    folder: TempDir,
}

impl Secured {
    /// # Panics
    /// Certificates cannot be made, or the broker does not start.
    pub fn start() -> Secured {
        let folder = TempDir::new().expect("a temporary folder");
        let at = folder.path();
        for authority in ["authority", "another-authority"] {
            authorize(at, authority);
        }
        certify(at, "authority", "broker");
        certify(at, "authority", "orders");
        // Key and certificate in one file, as the broker wants them.
        let read = |name: &str| std::fs::read_to_string(at.join(name)).expect("it was made");
        let store = at.join("broker.store.pem");
        std::fs::write(&store, read("broker.key") + &read("broker.pem")).expect("the folder can be written");
        let authority = at.join("authority.pem");
        let properties = format!(
            "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             listener.name.certificate.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             listener.name.password.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n",
            store.display(),
            authority.display(),
        );
        let user = |name: &str| {
            ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={name},password={PASSWORD}]")]
        };
        let cluster = Cluster::start_with(
            1,
            Extra {
                listeners: vec![(BY_CERTIFICATE, "SSL"), (BY_PASSWORD, "SASL_SSL")],
                properties,
                format: USERS.iter().flat_map(|name| user(name)).collect(),
            },
        );
        Secured { cluster, folder }
    }

    /// A certificate (`NAME.pem`) or its key (`NAME.key`): of `authority`, whom the broker trusts and who vouches for it,
    /// `another-authority`, which nobody knows, and `orders`, whom the first vouches for.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a principal do these things: kind of resource, the front of its name, operation; all as Kafka calls them.
    ///
    /// # Panics
    /// The broker refuses.
    pub fn allow(&self, principal: &str, rights: &[(&str, &str, &str)]) {
        let program = root().join("integration-tests/kafka/Acls.java");
        let mut command = self.cluster.tool(&program.display().to_string());
        command.args([&self.cluster.addresses(), principal]);
        command.args(rights.iter().flat_map(|(kind, front, operation)| [*kind, *front, *operation]));
        ran(&mut command);
    }
}

/// An authority that vouches for itself.
fn authorize(at: &Path, name: &str) {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    #[rustfmt::skip]
    openssl(at, &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject, "-keyout", &key, "-out", &certificate]);
}

/// A certificate of an authority, for whoever is at this machine's own address.
fn certify(at: &Path, authority: &str, name: &str) {
    let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    let (authority_key, authority) = (format!("{authority}.key"), format!("{authority}.pem"));
    std::fs::write(at.join("address"), "subjectAltName=IP:127.0.0.1\n").expect("the folder can be written");
    #[rustfmt::skip]
    openssl(at, &["req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &request]);
    #[rustfmt::skip]
    openssl(at, &["x509", "-req", "-days", "2", "-in", &request, "-CA", &authority, "-CAkey", &authority_key, "-CAcreateserial",
        "-extfile", "address", "-out", &certificate]);
}

fn openssl(at: &Path, arguments: &[&str]) {
    ran(Command::new("openssl").current_dir(at).args(arguments));
}

fn ran(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/setup.sh installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
