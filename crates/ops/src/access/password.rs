//! Passwords: what is accepted, and Argon2id hashes (RFC 9106, the crate's defaults: 19 MiB, 2 passes, 1 lane).

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use tokio::sync::Semaphore;

use crate::error::Error;

/// Hashes at most two passwords at a time, so that a flood of sign-ins cannot take the machine's memory or all its cores.
pub struct Passwords {
    turns: Semaphore,
    /// A hash nobody has the password of: verified for unknown names, so that they take as long as known ones.
    decoy: String,
}

const COMMON: [&str; 14] = [
    "password1234",
    "passwordpassword",
    "123456789012",
    "1234567890123",
    "qwertyuiop12",
    "qwertyuiopas",
    "administrator",
    "adminadminadmin",
    "letmeinletmein",
    "changemechangeme",
    "docaichedocaiche",
    "docaiche-console",
    "aaaaaaaaaaaa",
    "000000000000",
];

/// Why a password is refused; `None` where it is accepted. Length over composition (NIST SP 800-63B-4 §3.1.1.2).
pub fn password_problem(username: &str, password: &str) -> Option<String> {
    let length = password.chars().count();
    if length < 12 {
        return Some(format!("use at least 12 characters; this has {length}"));
    }
    if password.len() > 1024 {
        return Some("use at most 1,024 bytes".to_owned());
    }
    let lower = password.to_lowercase();
    if COMMON.contains(&lower.as_str()) || (!username.is_empty() && lower.replace(&username.to_lowercase(), "").chars().count() < 4) {
        return Some("this one is too easy to guess; use a phrase of your own".to_owned());
    }
    None
}

impl Default for Passwords {
    fn default() -> Self {
        let decoy = std::thread::spawn(|| hash_now("a password that nobody has, hashed once at start"));
        let decoy = decoy.join().expect("hashing does not panic").expect("hashing a constant works");
        Self { turns: Semaphore::new(2), decoy }
    }
}

fn hash_now(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes(), &SaltString::generate(&mut OsRng))?.to_string())
}

/// On a thread that ends with the work: a hash takes 19 MiB, which the allocator gives back when its thread is gone, and keeps
/// with a thread of a pool.
async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let spawned = std::thread::Builder::new().name("password".to_owned()).spawn(move || drop(sender.send(work())));
    spawned.map_err(|error| Error::Internal(Box::new(error)))?;
    receiver.await.map_err(|error| Error::Internal(Box::new(error)))
}

impl Passwords {
    /// The PHC string to store.
    ///
    /// # Errors
    /// [`Error::Internal`] where the operating system gives no randomness.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        on_own_thread(move || hash_now(&password)).await?.map_err(|error| Error::Internal(error.to_string().into()))
    }

    /// Whether `password` is the one `stored` was made from; with no stored hash, false after the same work.
    ///
    /// # Errors
    /// [`Error::Internal`] where the hashing task died.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let right = on_own_thread(move || {
            PasswordHash::new(&stored).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?;
        Ok(right && known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_judged_by_length_and_by_the_list() {
        for (username, password, accepted) in [
            ("ada", "short", false),
            ("ada", "correct horse battery", true),
            ("ada", "PasswordPassword", false),
            ("administrator", "administrator12", false),
            ("ada", "ééééééééééé", false),
            ("ada", "éééééééééééé", true),
            ("", &"x".repeat(1025), false),
        ] {
            assert_eq!(password_problem(username, password).is_none(), accepted, "{password}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_verifies() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("a password that nobody has, hashed once at start".into(), None).await.unwrap());
    }
}
