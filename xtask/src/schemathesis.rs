//! Schemathesis, which generates requests from the API's OpenAPI document, from PyPI: kept inside `target/`.

use std::process::Command;

use crate::python;
use crate::run::{Outcome, target};

/// Release that the tests are written against.
const VERSION: &str = "4.32.5";

/// Makes sure that `target/schemathesis` has Schemathesis of [`VERSION`].
pub(crate) fn install() -> Outcome {
    let folder = target().join("schemathesis");
    let says = format!("import schemathesis; assert schemathesis.__version__ == '{VERSION}'");
    let mut check = Command::new("python3");
    check.env("PYTHONPATH", &folder).args(["-c", &says]);
    if check.output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(&folder);
    python::install(&format!("schemathesis=={VERSION}"), &folder)
}
