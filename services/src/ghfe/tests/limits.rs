//! Slow senders, too many bytes at once, and the end of the process.

use super::*;

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let world = World::with(|config| config.section.read_timeout = Span::millis(200)).await;
    let delivery = Delivery::job(&base());
    let mut stream = world.service.raw().await;
    write(&mut stream, delivery.head().as_bytes()).await;
    write(&mut stream, &delivery.body[..20]).await;
    let answer = raw_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.ends_with("Body did not arrive in time"), "{answer}");
    assert_eq!(world.count("installation_events").await, 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up() {
    let world = World::with(|config| config.section.read_timeout = Span::millis(200)).await;
    let mut silent = world.service.raw().await;
    let mut slow = world.service.raw().await;
    write(&mut slow, b"POST / HTTP/1.1\r\nhost: ").await;
    for stream in [&mut silent, &mut slow] {
        let answer = raw_answer(stream).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    world.send(Delivery::of("ping", "{}")).await.is(200, "pong");
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_given_back() {
    let world = World::with(|config| config.section.max_bytes_in_flight = 100_000).await;
    let held = Delivery::of("ping", vec![b' '; 90_000]);
    let mut stream = world.service.raw().await;
    write(&mut stream, held.head().as_bytes()).await;
    write(&mut stream, &held.body[..80_000]).await;
    let large = || Delivery::json("ping", &json!({ "pad": "x".repeat(50_000) }));
    let refused = || async {
        let answer = world.send(large()).await;
        answer.status == 503 && answer.retry_after.as_deref() == Some("5")
    };
    until("a refusal", refused).await;
    // Others are served, and one who only announces much takes nothing away.
    let mut boaster = world.service.raw().await;
    let mut head = Delivery::of("ping", vec![b' '; 100_000]).head();
    head.push('{');
    write(&mut boaster, head.as_bytes()).await;
    world.send(Delivery::of("ping", "{}")).await.is(200, "pong");
    drop(stream);
    let taken = || async { world.send(large()).await.status == 200 };
    until("an acceptance", taken).await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_end() {
    let delivery = Delivery::job(&base());
    let most = delivery.body.len();
    let mut world = World::with(|config| config.section.max_bytes_in_flight = most).await;
    let mut stream = world.service.raw().await;
    write(&mut stream, delivery.head().as_bytes()).await;
    write(&mut stream, &delivery.body[..20]).await;
    // It is being read when there is no room for another one of its size.
    let crowded = || async {
        let other = Delivery::of("ping", vec![b' '; most]);
        world.send(other).await.status == 503
    };
    until("the beginning of the request", crowded).await;
    world.service.shutdown.cancel();
    let refused = || async {
        let address = world.service.base.strip_prefix("http://").unwrap();
        TcpStream::connect(address).await.is_err()
    };
    until("the end of accepting", refused).await;
    write(&mut stream, &delivery.body[20..]).await;
    let answer = raw_answer(&mut stream).await;
    assert!(answer.ends_with("Job 7 stored."), "{answer}");
    world.service.stop().await;
    assert_eq!(world.job(7).await["status"], "pending");
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_keep_the_process() {
    let mut world = World::with(|config| config.section.drain_within = Span::millis(100)).await;
    let delivery = Delivery::job(&base());
    let mut stream = world.service.raw().await;
    write(&mut stream, delivery.head().as_bytes()).await;
    world.send(Delivery::of("ping", "{}")).await.is(200, "pong");
    world.service.stop().await;
    assert_eq!(raw_answer(&mut stream).await, "");
}

#[tokio::test]
async fn one_who_waits_for_leave_is_answered_at_once() {
    let world = World::new().await;
    let mut delivery = Delivery::of("ping", vec![b' '; 30_000_000]);
    for (signed, status) in [(true, "HTTP/1.1 413"), (false, "HTTP/1.1 401")] {
        if !signed {
            delivery.signature = None;
        }
        let mut stream = world.service.raw().await;
        let head = delivery
            .head()
            .replacen("\r\n", "\r\nexpect: 100-continue\r\n", 1);
        write(&mut stream, head.as_bytes()).await;
        let answer = raw_answer(&mut stream).await;
        assert!(answer.starts_with(status), "{answer}");
    }
}
