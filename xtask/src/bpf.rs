//! The programs for the kernel: `bpf/mesh.bpf.c` as the object that the product has inside.
//!
//! The object is in the tree, so that building the product needs no compiler for it; the compiler that it was made with makes
//! the same bytes of the same source, in whichever folder.

use std::path::Path;
use std::process::Command;

use crate::run::{Outcome, capture, execute, on_path, root};

const SOURCE: &str = "bpf/mesh.bpf.c";
const OBJECT: &str = "bpf/mesh.bpf.o";
/// The compiler whose bytes are in the tree: Debian 12's.
const COMPILER: &str = "clang version 14.";

/// `[--check]`: makes the object; or only compares what would be made with what is there.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [] => make(&root().join(OBJECT)),
        [flag] if flag == "--check" => check(),
        _ => Err("cargo xtask bpf [--check]".to_owned()),
    }
}

/// Whether the object is what is made of the source.
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
    // types of the machine, which are the same on all that there are
    compile.arg(format!("-I/usr/include/{}-linux-gnu", machine.trim()));
    compile.arg(format!("-ffile-prefix-map={}=.", root().display()));
    execute(compile.arg("-c").arg(SOURCE).arg("-o").arg(object).current_dir(root()))?;
    execute(Command::new("llvm-strip").arg("-g").arg(object))
}
