//! Names to addresses: looked up for each connection, and only those that may be called get to the client, so that the
//! address checked is the one connected to.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Allowed;

/// Looks host names up.
#[async_trait]
pub trait Lookup: Debug + Send + Sync + 'static {
    /// The addresses of a name as they are now.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// What the system knows: its files, and the name servers that it asks.
#[derive(Debug)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Gives the client only addresses that may be called.
pub(super) struct CheckedResolver {
    pub allowed: Arc<Allowed>,
    pub lookup: Arc<dyn Lookup>,
}

/// Why a name gave no address; found again in the source chain of the client's error.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("no address")]
    Unresolved,
    #[error("only addresses that may not be called")]
    Refused,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, lookup) = (Arc::clone(&self.allowed), Arc::clone(&self.lookup));
        Box::pin(async move {
            let mut found = lookup.lookup(name.as_str()).await.map_err(|_| ResolveError::Unresolved)?;
            if found.is_empty() {
                return Err(ResolveError::Unresolved.into());
            }
            found.retain(|address| allowed.permits(*address));
            if found.is_empty() {
                return Err(ResolveError::Refused.into());
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use url::Url;

    use super::*;
    use crate::outgoing::{Outgoing, OutgoingError};

    /// A name server that answers otherwise each time.
    #[derive(Debug)]
    struct Changing(Mutex<VecDeque<Vec<IpAddr>>>);

    #[async_trait]
    impl Lookup for Changing {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.lock().unwrap().pop_front().expect("no more look-ups than calls"))
        }
    }

    /// The address that stands for a public one in these tests, and one that stays private.
    const OPEN: &str = "127.0.0.2";
    const CLOSED: &str = "127.0.0.1";

    /// A client whose names lead to these addresses, one list a look-up.
    fn client(answers: &[&[&str]]) -> (Outgoing, Arc<Changing>) {
        let parsed = answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        let names = Arc::new(Changing(Mutex::new(parsed.collect())));
        let networks = vec![format!("{OPEN}/32").parse().unwrap()];
        let allowed = Allowed { networks, plain_http: true };
        (Outgoing::looking_up(allowed, Arc::<Changing>::clone(&names)).unwrap(), names)
    }

    /// Counts the connections to a listener; each is answered once and closed.
    fn count(listener: TcpListener) -> Arc<AtomicUsize> {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer).await;
            }
        });
        count
    }

    /// Two servers on one port of two addresses: what is counted at the open one and at the closed one.
    async fn servers() -> (Url, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        loop {
            let open = TcpListener::bind((OPEN, 0)).await.unwrap();
            let port = open.local_addr().unwrap().port();
            // The port can be taken there.
            let Ok(closed) = TcpListener::bind((CLOSED, port)).await else { continue };
            let url = Url::parse(&format!("http://acquirer.example:{port}/")).unwrap();
            return (url, count(open), count(closed));
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_on_the_second_look_up_is_refused() {
        let (url, open, closed) = servers().await;
        for private in [CLOSED, "169.254.169.254", "::ffff:127.0.0.2", "10.0.0.1", "::1"] {
            let (client, names) = client(&[&[OPEN], &[private]]);
            let before = open.load(Ordering::SeqCst);
            assert_eq!(client.get_text(&url, 10).await.unwrap(), "ok");
            let second = client.get_text(&url, 10).await;
            assert!(matches!(second, Err(OutgoingError::Refused)), "{private}: {second:?}");
            assert_eq!(open.load(Ordering::SeqCst), before + 1);
            assert!(names.0.lock().unwrap().is_empty(), "one look-up a call");
        }
        assert_eq!(closed.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_name_that_was_public_when_it_was_kept_is_refused_when_it_is_called() {
        let (url, open, closed) = servers().await;
        let (client, _) = client(&[&[OPEN], &[CLOSED], &[CLOSED]]);
        client.vet(&url).await.unwrap();
        assert!(matches!(client.post(&url, &[], Vec::new()).await, Err(OutgoingError::Refused)));
        assert!(matches!(client.vet(&url).await, Err(OutgoingError::Refused)));
        assert_eq!((open.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)), (0, 0));
    }

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_connected_to() {
        let (url, open, closed) = servers().await;
        // The next look-up would lead elsewhere; it is not made for this call.
        let (client, names) = client(&[&[CLOSED, OPEN, "169.254.169.254"], &[CLOSED]]);
        assert_eq!(client.get_text(&url, 10).await.unwrap(), "ok");
        assert_eq!((open.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)), (1, 0));
        assert_eq!(names.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_apart() {
        let (client, _) = client(&[&[]]);
        let url = Url::parse("http://acquirer.example/").unwrap();
        assert!(matches!(client.get_text(&url, 10).await, Err(OutgoingError::Unresolved)));
    }
}
