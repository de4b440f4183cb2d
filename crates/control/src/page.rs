//! Web page for people: files in the binary, which query the API of the server that they come from.
//!
//! There is no build step and no foreign content: the headers allow a browser scripts, styles and answers from this
//! server only, and no inline scripts. The page has no permissions of its own: it calls as any other caller, with a
//! token if its user has one.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files, by path below `/gui/`.
const FILES: &[(&str, &str, &str)] = &[
    ("", HTML, include_str!("page/index.html")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("page.js", SCRIPT, include_str!("page/page.js")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("charts.js", SCRIPT, include_str!("page/charts.js")),
    ("dom.js", SCRIPT, include_str!("page/dom.js")),
    ("parts.js", SCRIPT, include_str!("page/parts.js")),
    ("traffic.js", SCRIPT, include_str!("page/traffic.js")),
    ("words.js", SCRIPT, include_str!("page/words.js")),
    ("views/changes.js", SCRIPT, include_str!("page/views/changes.js")),
    ("views/map.js", SCRIPT, include_str!("page/views/map.js")),
    ("views/proxies.js", SCRIPT, include_str!("page/views/proxies.js")),
    ("views/route.js", SCRIPT, include_str!("page/views/route.js")),
    ("views/routes.js", SCRIPT, include_str!("page/views/routes.js")),
    ("views/story.js", SCRIPT, include_str!("page/views/story.js")),
    ("views/weights.js", SCRIPT, include_str!("page/views/weights.js")),
];

/// Headers that restrict what a browser does with the page.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action \
         'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // another version of the program has other files under the same names
    ("cache-control", "no-cache"),
];

/// Routes for `/gui` and everything below it.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/gui", get(async || Redirect::permanent("gui/")))
        .route("/gui/", get(async || file("")))
        .route("/gui/{*file}", get(async |Path(path): Path<String>| file(&path)))
}

fn file(wanted: &str) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    match FILES.iter().find(|(path, ..)| *path == wanted) {
        Some((_, kind, text)) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            (headers, *text).into_response()
        }
        None => (StatusCode::NOT_FOUND, headers, "404: there is no such part of the page\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use xds::Printed;

    use super::*;

    /// Collects the files of a folder and of those below it.
    fn found(folder: &Path, below: &str, all: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => found(&entry.path(), &format!("{name}/"), all),
                false => drop(all.insert(name)),
            }
        }
    }

    #[test]
    fn the_page_shows_by_number_what_a_terminal_is_not_told_either() {
        let text = include_str!("page/dom.js");
        let class = text.split("const FOREIGN = /[").nth(1).unwrap().split("]/g").next().unwrap();
        let letters: Vec<u32> =
            class.split("\\u").skip(1).map(|it| u32::from_str_radix(&it[..4], 16).unwrap()).collect();
        let (mut foreign, mut at) = (BTreeSet::new(), 0);
        for piece in class.split("\\u").skip(1) {
            let until = if piece.ends_with('-') { letters[at + 1] } else { letters[at] };
            foreign.extend(letters[at]..=until);
            at += 1;
        }
        let lines = ['\t', '\n'];
        for letter in ('\0'..='\u{ffff}').filter(|letter| !lines.contains(letter)) {
            let is_foreign = matches!(Printed::of(letter), Printed::Escaped(_));
            assert_eq!(foreign.contains(&u32::from(letter)), is_foreign, "{letter:?}");
        }
    }

    #[test]
    fn every_file_is_served_and_none_has_a_script_or_style_of_its_own() {
        let mut all = BTreeSet::new();
        found(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page"), "", &mut all);
        let served = FILES.iter().map(|(path, ..)| if path.is_empty() { "index.html" } else { path });
        assert_eq!(all, served.map(str::to_owned).collect());
        for (path, _, text) in FILES {
            for forbidden in ["style=", "onclick=\"", "innerHTML", "eval(", "http://", "https://"] {
                let namespace = ["http://www.w3.org/2000/svg"]
                    .into_iter()
                    .fold((*text).to_owned(), |text, it| text.replace(it, ""));
                assert!(!namespace.contains(forbidden), "{path}: {forbidden}");
            }
        }
    }
}
