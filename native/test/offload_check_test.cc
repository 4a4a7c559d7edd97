// Two hosts, each with its worker; what one sends the other gets as the test lets it: whole, damaged, twice, late, never.
#include "engine/offload_check.h"

#include <doctest/doctest.h>

#include <utility>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr const char* kAddressA = "10.0.0.1";
constexpr const char* kAddressB = "10.0.0.2";

struct Hosts {
  Rig a, b;
  Peer* to_b = a.add_peer(kAddressB);
  Peer* to_a = b.add_peer(kAddressA);

  void request(const OffloadRequest& request) {
    REQUIRE(a.worker.request_offload_check(request));
    a.worker.round(0);
  }

  std::vector<Sent> sent_by_a() { return std::exchange(a.sender->sent, {}); }

  void to(Rig& host, const char* from, const Sent& message) { host.from_underlay(from, message.bytes, message.segment_size); }

  // Everything under way arrives, answers too.
  void deliver() {
    for (const Sent& message : sent_by_a()) to(b, kAddressA, message);
    for (const Sent& message : std::exchange(b.sender->sent, {})) to(a, kAddressB, message);
  }

  std::vector<Event> reports() {
    std::vector<Event> found;
    for (const Event& event : a.take_events()) {
      if (event.type == EventType::offload_report) found.push_back(event);
    }
    return found;
  }

  void balanced() {
    CHECK(a.balanced());
    CHECK(b.balanced());
  }
};

OffloadRequest burst(uint64_t nonce, bool segmented, uint16_t datagrams = 40, uint32_t bytes = 1464) {
  return {.peer = 0, .nonce = nonce, .datagrams = datagrams, .bytes = bytes, .segmented = segmented};
}

}  // namespace

TEST_CASE("a burst that arrives whole is reported whole, however it was sent") {
  for (const bool segmented : {true, false}) {
    Hosts hosts;
    hosts.request(burst(7, segmented));
    const size_t messages = hosts.a.sender->sent.size();
    CHECK(messages == (segmented ? 2 : 41));
    hosts.deliver();
    const auto reports = hosts.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].nonce == 7);
    CHECK(reports[0].error == 0);
    CHECK(reports[0].where == Destination{DestinationKind::peer, 0});
    CHECK(reports[0].probes == 40);
    CHECK(reports[0].arrived.size() == 40);
    // Exactly: 40 probes and a question there, an answer back.
    CHECK(hosts.a.worker.counters().queued.get() == 41);
    CHECK(hosts.a.worker.counters().sent.get() == 41);
    CHECK(hosts.a.worker.counters().consumed.get() == 1);
    CHECK(hosts.b.worker.counters().received.get() == 41);
    CHECK(hosts.b.worker.counters().consumed.get() == 41);
    CHECK(hosts.to_b->counters.tx_frames.get() == 41);
    CHECK(hosts.to_b->counters.tx_bytes.get() == hosts.to_a->counters.rx_bytes.get());
    CHECK(hosts.to_a->counters.tx_frames.get() == 1);
    hosts.balanced();
  }
}

TEST_CASE("a segmented burst has the shape of a cut super-frame: equal datagrams and a shorter one") {
  Hosts hosts;
  hosts.request(burst(7, true));
  const Sent sent = hosts.a.sender->sent[0];
  CHECK(sent.segment_size == 1472);
  const auto datagrams = sent.datagrams();
  REQUIRE(datagrams.size() == 40);
  CHECK(datagrams[38].size() == 1472);
  CHECK(datagrams[39].size() == OffloadCheck::tail_of(1464) + 8);
  CHECK(datagrams[39].size() < 1472);
  // The same datagrams as without the offload.
  Hosts others;
  others.request(burst(7, false));
  for (size_t i = 0; i < 40; ++i) CHECK(others.a.sender->sent[i].bytes == datagrams[i]);
}

TEST_CASE("a burst is cut to what one send may hold") {
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, 100), 127) == 127);
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, 100), 63) == 63);
  CHECK(OffloadCheck::datagrams_of(burst(1, false, 200, 100), 1) == 128);
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, 1464), 127) == 44);
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, 65000), 127) == 1);
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, kLeastProbeBytes), 127) == 0);
  CHECK(OffloadCheck::datagrams_of(burst(1, true, 200, 65536), 127) == 0);
}

TEST_CASE("of a damaged burst the far end tells which probes arrived") {
  Hosts hosts;
  hosts.request(burst(7, true));
  auto sent = hosts.sent_by_a();
  sent[0].bytes[1472 * 3 + 600] ^= 0x10;                             // probe 3: its contents
  std::swap_ranges(sent[0].bytes.begin() + 1472 * 5 + 100, sent[0].bytes.begin() + 1472 * 5 + 200,
                   sent[0].bytes.begin() + 1472 * 6 + 100);           // probes 5 and 6 have each other's bytes
  sent[0].bytes.resize(1472 * 39 + 500);                             // the last one lost its end
  for (const Sent& message : sent) hosts.to(hosts.b, kAddressA, message);
  hosts.deliver();
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  for (uint16_t i = 0; i < 40; ++i) CHECK(reports[0].arrived.has(i) == (i != 3 && i != 5 && i != 6 && i != 39));
  // Damaged ones are consumed too.
  CHECK(hosts.b.worker.counters().consumed.get() == 41);
  hosts.balanced();
}

TEST_CASE("a burst of which nothing arrived is answered with nothing") {
  Hosts hosts;
  hosts.request(burst(6, true));
  hosts.deliver();
  hosts.reports();
  hosts.request(burst(7, true));
  hosts.to(hosts.b, kAddressA, hosts.sent_by_a()[1]);
  hosts.deliver();
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].nonce == 7);
  CHECK(reports[0].arrived.size() == 0);
  CHECK(reports[0].probes == 40);
}

TEST_CASE("a lost question, and a lost answer, are asked for again; each question gives one report") {
  Hosts hosts;
  hosts.request(burst(7, true));
  auto sent = hosts.sent_by_a();
  hosts.to(hosts.b, kAddressA, sent[0]);
  CHECK(hosts.b.sender->sent.empty());
  hosts.request({.peer = 0, .nonce = 7});
  const auto question = hosts.sent_by_a();
  REQUIRE(question.size() == 1);
  hosts.to(hosts.b, kAddressA, question[0]);
  REQUIRE(hosts.b.sender->sent.size() == 1);
  const Sent answer = hosts.b.sender->sent[0];
  hosts.b.sender->sent.clear();
  hosts.request({.peer = 0, .nonce = 7});
  hosts.deliver();
  CHECK(hosts.reports().size() == 1);
  // The first answer comes late, and twice; nobody asked again.
  hosts.to(hosts.a, kAddressB, answer);
  hosts.to(hosts.a, kAddressB, answer);
  CHECK(hosts.reports().empty());
  hosts.balanced();
}

TEST_CASE("asking about a burst that is not the last one does nothing") {
  Hosts hosts;
  hosts.request(burst(7, true));
  hosts.sent_by_a();
  hosts.request({.peer = 0, .nonce = 8});
  hosts.request({.peer = 5, .nonce = 7});
  CHECK(hosts.a.sender->sent.empty());
}

TEST_CASE("duplicates and another order change nothing") {
  Hosts hosts;
  hosts.request(burst(7, false));
  const auto sent = hosts.sent_by_a();
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 40; i-- > 0;) hosts.to(hosts.b, kAddressA, sent[i]);
  }
  hosts.to(hosts.b, kAddressA, sent[40]);
  hosts.deliver();
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].arrived.size() == 40);
}

TEST_CASE("an answer counts with the nonce and the size of the last burst only") {
  Hosts hosts;
  hosts.request(burst(7, true));
  hosts.sent_by_a();
  const auto forge = [&](ControlMessage message) {
    message.type = ControlType::answer;
    for (uint16_t i = 0; i < 40; ++i) message.arrived.add(i);
    Bytes frame(kQuestionBytes);
    write_control_frame(frame.data(), kQuestionBytes, message);
    hosts.a.from_underlay(kAddressB, vxlan(kControlVni, frame));
  };
  forge({.nonce = 8, .index = 1, .count = 40, .arrived = {}});
  forge({.nonce = 0, .index = 1, .count = 40, .arrived = {}});
  forge({.nonce = 7, .index = 1, .count = 41, .arrived = {}});
  CHECK(hosts.reports().empty());
  forge({.nonce = 7, .index = 1, .count = 40, .arrived = {}});
  CHECK(hosts.reports().size() == 1);
  CHECK(hosts.a.worker.counters().consumed.get() == 4);
  hosts.balanced();
}

TEST_CASE("a peer has one slot: the next burst takes the place of the former") {
  Hosts hosts;
  hosts.request(burst(7, false));
  const auto former = hosts.sent_by_a();
  hosts.request(burst(8, false));
  const auto latter = hosts.sent_by_a();
  for (size_t i = 0; i < 40; ++i) hosts.to(hosts.b, kAddressA, former[i]);
  for (size_t i = 0; i < 10; ++i) hosts.to(hosts.b, kAddressA, latter[i]);
  hosts.to(hosts.b, kAddressA, former[40]);
  hosts.to(hosts.b, kAddressA, latter[40]);
  REQUIRE(hosts.b.sender->sent.size() == 2);
  ControlMessage message;
  const auto read = [&](size_t i) {
    const Bytes& bytes = hosts.b.sender->sent[i].bytes;
    REQUIRE(parse_control_frame(bytes.data() + 8, static_cast<uint32_t>(bytes.size() - 8), message) == ControlParse::ok);
  };
  read(0);
  CHECK(message.nonce == 7);
  CHECK(message.arrived.size() == 0);
  read(1);
  CHECK(message.nonce == 8);
  CHECK(message.arrived.size() == 10);
}

TEST_CASE("questions are answered 64 times a second for each peer, and never with more than was asked") {
  Hosts hosts;
  hosts.b.add_peer("10.0.0.3");
  hosts.request(burst(7, true));
  const Sent question = hosts.sent_by_a()[1];
  hosts.b.worker.set_time(10);
  for (int i = 0; i < 1000; ++i) hosts.to(hosts.b, kAddressA, question);
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond);
  for (const Sent& answer : hosts.b.sender->sent) CHECK(answer.bytes.size() <= question.bytes.size());
  // The other peer is answered all the same.
  hosts.to(hosts.b, "10.0.0.3", question);
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond + 1);
  CHECK(hosts.b.sender->sent.back().to == "10.0.0.3");
  hosts.b.worker.set_time(11);
  hosts.to(hosts.b, kAddressA, question);
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond + 2);
  CHECK(hosts.b.worker.counters().consumed.get() == 1002);
  hosts.balanced();
}

TEST_CASE("a stranger gets no answer, and what he sends is of an unknown VNI") {
  Hosts hosts;
  hosts.b.options.accept_any = true;
  hosts.b.set_underlay();
  hosts.request(burst(7, true));
  for (const Sent& message : hosts.sent_by_a()) hosts.to(hosts.b, "10.9.9.9", message);
  CHECK(hosts.b.sender->sent.empty());
  CHECK(hosts.b.dropped(Drop::unknown_vni) == 41);
  hosts.balanced();
  hosts.b.options.accept_any = false;
  hosts.b.set_underlay();
  hosts.request(burst(8, true));
  for (const Sent& message : hosts.sent_by_a()) hosts.to(hosts.b, "10.9.9.9", message);
  CHECK(hosts.b.sender->sent.empty());
  CHECK(hosts.b.dropped(Drop::unknown_peer) == 41);
  hosts.balanced();
}

TEST_CASE("what another make sends on the reserved VNI is of an unknown VNI") {
  Hosts hosts;
  hosts.b.from_underlay(kAddressA, vxlan(kControlVni, ethernet(kMacA, kMacB)));
  hosts.b.from_underlay(kAddressA, vxlan(kControlVni, {}));
  CHECK(hosts.b.dropped(Drop::unknown_vni) == 2);
  CHECK(hosts.b.worker.counters().consumed.get() == 0);
  hosts.balanced();
}

TEST_CASE("a later version is consumed without an answer") {
  Hosts hosts;
  hosts.request(burst(7, true));
  Sent question = hosts.sent_by_a()[1];
  question.bytes[8 + 14 + 4] = 2;
  hosts.to(hosts.b, kAddressA, question);
  CHECK(hosts.b.sender->sent.empty());
  CHECK(hosts.b.worker.counters().consumed.get() == 1);
  hosts.balanced();
}

TEST_CASE("a burst that the kernel refuses is dropped with its reason, reported, and never sent another way") {
  struct Case {
    int error;
    Drop reason;
  };
  for (const Case& one : {Case{EIO, Drop::underlay_refused}, Case{EMSGSIZE, Drop::too_big}, Case{EAGAIN, Drop::underlay_full},
                          Case{ENETUNREACH, Drop::no_route}}) {
    Hosts hosts;
    hosts.a.sender->refuse = [&](const Sent& message) { return message.segment_size != 0 ? one.error : 0; };
    hosts.request(burst(7, true));
    CHECK(hosts.a.sender->sent.empty());
    CHECK(hosts.a.dropped(one.reason) == 40);
    const auto reports = hosts.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].error == one.error);
    CHECK(reports[0].nonce == 7);
    hosts.balanced();
  }
}

TEST_CASE("of a burst sent one by one, what fails is counted and the burst is reported as failed") {
  Hosts hosts;
  hosts.a.sender->refuse = [](const Sent& message) {
    ControlMessage read;
    parse_control_frame(message.bytes.data() + 8, static_cast<uint32_t>(message.bytes.size() - 8), read);
    return read.type == ControlType::probe && read.index == 4 ? ENOBUFS : 0;
  };
  hosts.request(burst(7, false));
  CHECK(hosts.a.sender->sent.size() == 39);
  CHECK(hosts.a.dropped(Drop::underlay_full) == 1);
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].error == ENOBUFS);
  hosts.balanced();
}

TEST_CASE("a kernel without memory is asked three more times, and what it takes then is sent once") {
  for (const bool passes : {true, false}) {
    Hosts hosts;
    int asked = 0;
    hosts.a.sender->refuse = [&](const Sent& message) {
      if (message.segment_size == 0) return 0;
      return ++asked == 4 && passes ? 0 : ENOBUFS;
    };
    hosts.request(burst(7, true));
    CHECK(asked == 4);
    CHECK(hosts.a.sender->sent.size() == (passes ? 2 : 0));
    CHECK(hosts.a.dropped(Drop::underlay_full) == (passes ? 0 : 40));
    hosts.balanced();
  }
}

TEST_CASE("without UDP_SEGMENT a segmented burst is not sent") {
  Hosts hosts;
  hosts.a.options.udp_gso = false;
  hosts.a.set_underlay();
  hosts.request(burst(7, true));
  CHECK(hosts.a.sender->sent.empty());
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].error == EOPNOTSUPP);
}

TEST_CASE("a segmented burst goes out by UDP_SEGMENT also while the peer's traffic does not") {
  Hosts hosts;
  hosts.to_b->options.offload = false;
  hosts.request(burst(7, true));
  CHECK(hosts.a.sender->sent[0].segment_size == 1472);
}

TEST_CASE("a full queue of requests says so, and is empty after a round") {
  Hosts hosts;
  int taken = 0;
  while (hosts.a.worker.request_offload_check(burst(static_cast<uint64_t>(taken), true, 2))) ++taken;
  CHECK(taken == 64);
  hosts.a.worker.round(0);
  CHECK(hosts.a.worker.request_offload_check(burst(1, true, 2)));
}

TEST_CASE("probes are never delivered to a port, nor learned from") {
  Hosts hosts;
  const auto blue = hosts.b.add_network(42);
  const auto port = hosts.b.add_port(blue);
  hosts.request(burst(7, true));
  hosts.deliver();
  CHECK(port.tap->written.empty());
  CHECK(hosts.b.fdb.count(blue).learned == 0);
}
