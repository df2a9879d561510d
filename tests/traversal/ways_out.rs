//! Paths that lead elsewhere, or would on some system. They are written as in a URL.

/// Ways to write "one folder up". The ones that are not ASCII become `..` where text is normalized to NFKC or invisible
/// characters are dropped.
const UP: [&str; 17] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2E.",
    "..%20",
    "%20..",
    "%20%2e%2e%20",
    "%C2%A0..",
    "%EF%BC%8E%EF%BC%8E",
    "%EF%BC%8E.",
    "%E2%80%A5",
    "%E2%80%A4%E2%80%A4",
    "%EF%B9%92%EF%B9%92",
    ".%E2%80%8B.",
    "%E2%80%AE..",
    "..%EF%BB%BF",
];

/// Ways to write a separator.
const SEPARATOR: [&str; 7] = ["/", "%2f", "%2F", "%5c", "%5C", "%EF%BC%8F", "%EF%BC%BC"];

const OTHERS: [&str; 78] = [
    // Several folders up, and up from inside a folder.
    "..",
    "../..",
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..%5c..%5c..%5cwindows%5cwin.ini",
    "a/../../secret.csv",
    "a/..%2f..%2fsecret.csv",
    "a/b/c/../../../../secret.csv",
    "./../secret.csv",
    ".%2f.%2f..%2fsecret.csv",
    "a/..",
    "a%5c..%5c..%5c..%5csecret.csv",
    "../inputs/../secret.csv",
    "..%2farchive%2fsecret.csv",
    "../results/secret.csv",
    "..//secret.csv",
    "..%2f%2fsecret.csv",
    "a//..//..//secret.csv",
    "..%5c%2fsecret.csv",
    "..%2f%5csecret.csv",
    // Absolute paths.
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "%2f%2fhost%2fshare",
    "/secret.csv",
    "%2Fsecret.csv",
    "%5c%5chost%5cshare%5csecret.csv",
    "%5csecret.csv",
    "%5c%5c%3f%5cC:%5csecret.csv",
    "%5c%5c.%5cC:%5csecret.csv",
    "C:%5cwindows%5cwin.ini",
    "c:/windows/win.ini",
    "C%3a%2fwindows%2fwin.ini",
    "C:secret.csv",
    "z:",
    "./C:/secret.csv",
    "a/D:/secret.csv",
    "%EF%BC%A3%EF%BC%9A/secret.csv",
    // Home folders.
    "~",
    "~/secret.csv",
    "~root/secret.csv",
    "%7e/secret.csv",
    "%7Eroot%2fsecret.csv",
    "a/~/secret.csv",
    "a%5c~root",
    "%EF%BD%9E/secret.csv",
    // Characters that end or break a name.
    "%00",
    "secret.csv%00",
    "secret.csv%00.txt",
    "..%00/secret.csv",
    "%00../secret.csv",
    ".%00./secret.csv",
    "a%0d%0aX-Injected:%201",
    "a%0a",
    "a%09b",
    "a%1b%5b31m",
    "a%7f",
    "a%C2%80b",
    "a%C2%85b",
    "a%EF%BF%BE",
    "a%EF%BF%BFb",
    // Invalid UTF-8: overlong forms, halves of surrogate pairs, pieces.
    "%c0%ae%c0%ae/secret.csv",
    "%c0%ae%c0%ae%c0%afsecret.csv",
    "..%c0%afsecret.csv",
    "..%c1%9csecret.csv",
    "%c0%2e%c0%2e/secret.csv",
    "%e0%80%ae%e0%80%ae/secret.csv",
    "..%e0%80%afsecret.csv",
    "%f0%80%80%ae%f0%80%80%ae/secret.csv",
    "%f8%80%80%80%ae/secret.csv",
    "%fc%80%80%80%80%ae/secret.csv",
    "a%c0%80b",
    "%ed%a0%80",
    "%ff%fe",
    "%80",
    "a%c3",
    "%fe%fe%ff%ff",
    "%ef%bc",
];

pub fn vectors() -> Vec<String> {
    let mut vectors: Vec<String> = OTHERS.map(str::to_owned).into();
    for up in UP {
        vectors.extend(SEPARATOR.map(|separator| format!("{up}{separator}x{separator}secret.csv")));
    }
    vectors.push("../".repeat(100) + "secret.csv");
    vectors.push("x".repeat(2000));
    vectors.push("x/".repeat(1000) + "secret.csv");
    vectors.push("%E2%82%AC".repeat(400));
    vectors
}
