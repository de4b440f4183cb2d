//! Programs for the kernel: `bpf/mesh.bpf.c` as the object that the product embeds.
//!
//! The object is in the tree, so that building the product needs no compiler for it; the same compiler makes the same
//! bytes from the same source, in any folder.

use std::path::Path;
use std::process::Command;

use crate::run::{Outcome, capture, execute, on_path, root};

const SOURCE: &str = "bpf/mesh.bpf.c";
const OBJECT: &str = "bpf/mesh.bpf.o";
/// Version of the compiler of the object in the tree: Debian 12's.
const COMPILER: &str = "clang version 14.";

/// `[--check]`: builds the object, or only compares the result with the object in the tree.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => make(&root().join(OBJECT)),
        [flag] if flag == "--check" => check(),
        _ => Err("cargo xtask bpf [--check]".to_owned()),
    }
}

/// Checks that the object in the tree is built from the source.
pub(crate) fn check() -> Outcome {
    if !has_compiler()? {
        eprintln!("{OBJECT} was not compared: that takes Debian 12's clang, llvm and libbpf-dev");
        return Ok(());
    }
    let made = crate::run::target().join("mesh.bpf.o");
    make(&made)?;
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    if read(&made)? == read(&root().join(OBJECT))? {
        return Ok(());
    }
    Err(format!("{OBJECT} is not what {SOURCE} makes: run `cargo xtask bpf`, and commit it"))
}

fn has_compiler() -> Outcome<bool> {
    let has_all = on_path("clang") && on_path("llvm-strip") && Path::new("/usr/include/bpf").is_dir();
    Ok(has_all && capture(Command::new("clang").arg("--version"))?.contains(COMPILER))
}

fn make(object: &Path) -> Outcome {
    let machine = capture(Command::new("uname").arg("-m"))?;
    let mut compile = Command::new("clang");
    compile.args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror"]);
    // headers of the machine type, the same on all supported ones
    compile.arg(format!("-I/usr/include/{}-linux-gnu", machine.trim()));
    compile.arg(format!("-ffile-prefix-map={}=.", root().display()));
    execute(compile.arg("-c").arg(SOURCE).arg("-o").arg(object).current_dir(root()))?;
    execute(Command::new("llvm-strip").arg("-g").arg(object))
}
