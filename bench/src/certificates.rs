//! Certificates of the proxies for TLS: of the shape that a mesh has, made by `openssl` for one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// CA with an RSA key, and certificates that it signed for both ends, with a P-256 key each.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them in a folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let folder = folder.join("certificates");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let it = Self { folder };
        it.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=Kuma/OU=Mesh/CN=default -addext subjectAltName=URI:spiffe://default \
             -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem",
        )?;
        for name in ["client", "shop"] {
            let extensions = format!(
                "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature,keyEncipherment,keyAgreement\n\
                 extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=critical,URI:spiffe://default/{name},\
                 URI:kuma://kuma.io/service/{name}\n"
            );
            fs::write(it.folder.join("extensions"), extensions).map_err(|error| error.to_string())?;
            it.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj / -keyout {name}.key -out {name}.csr"
            ))?;
            it.openssl(&format!(
                "x509 -req -days 30 -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 7 -extfile extensions -out {name}.pem"
            ))?;
            // HAProxy wants both in one file
            let both = it.text(&format!("{name}.pem"))? + &it.text(&format!("{name}.key"))?;
            fs::write(it.folder.join(format!("{name}.both")), both).map_err(|error| error.to_string())?;
        }
        Ok(it)
    }

    /// Path of a file: `ca.pem`, `ca.key`, and of `client` and `shop` `.pem`, `.key` and `.both`.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Content of a file.
    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn openssl(&self, arguments: &str) -> Result<(), String> {
        let output =
            Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.folder).output();
        let output = output.map_err(|error| format!("openssl: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
