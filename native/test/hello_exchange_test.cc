// Two hosts, each with its worker: what one asks the other, and who else could have given the answer.
#include "engine/hello_exchange.h"

#include <doctest/doctest.h>

#include <utility>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr const char* kAddressA = "10.0.0.1";
constexpr const char* kAddressB = "10.0.0.2";

HostSelf self_of(uint8_t host) {
  HostSelf self{.host = {}, .incarnation = 1000u + host, .version = {0, 1, host}, .networks = 77};
  self.host.fill(host);
  return self;
}

struct Hosts {
  Rig a, b;
  Peer* to_b = a.add_peer(kAddressB);
  Peer* to_a = b.add_peer(kAddressA);

  Hosts() {
    b.worker.set_features(kTakesUnfinishedChecksums);
    a.tables.self = self_of(1);
    b.tables.self = self_of(2);
    a.publish();
    b.publish();
  }

  // What a sends.
  std::vector<Sent> ask(uint64_t nonce, uint32_t bytes = kFullHelloBytes) {
    REQUIRE(a.worker.request_hello({.peer = 0, .nonce = nonce, .bytes = bytes}));
    a.worker.round(0);
    return std::exchange(a.sender->sent, {});
  }

  // What b says to what a sends.
  std::vector<Sent> answers(const std::vector<Sent>& questions) {
    for (const Sent& question : questions) b.from_underlay(kAddressA, question.bytes);
    return std::exchange(b.sender->sent, {});
  }

  void to_a_from(const char* address, const std::vector<Sent>& answers) {
    for (const Sent& answer : answers) a.from_underlay(address, answer.bytes);
  }

  std::vector<Event> reports(EventType type = EventType::hello_answer) {
    std::vector<Event> found;
    for (const Event& event : a.take_events()) {
      if (event.type == type) found.push_back(event);
    }
    return found;
  }
};

Bytes frame(ControlMessage message, uint32_t bytes) {
  Bytes out(bytes);
  write_control_frame(out.data(), bytes, message);
  return vxlan(kControlVni, out);
}

Bytes hello(uint64_t nonce, uint32_t bytes = kFullHelloBytes, const HostSelf& self = self_of(1)) {
  return frame({.type = ControlType::hello, .nonce = nonce, .arrived = {}, .self = self}, bytes);
}

Bytes features(uint64_t nonce, uint64_t bits, uint32_t bytes = kHelloBytes) {
  return frame({.type = ControlType::features, .nonce = nonce, .arrived = {}, .features = bits}, bytes);
}

}  // namespace

TEST_CASE("a weft host says who it is and what it takes, once for each question") {
  Hosts hosts;
  const auto questions = hosts.ask(7);
  REQUIRE(questions.size() == 1);
  CHECK(questions[0].to == kAddressB);
  CHECK(questions[0].bytes == hello(7));
  const auto answers = hosts.answers(questions);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].to == kAddressA);
  CHECK(answers[0].bytes.size() == questions[0].bytes.size());
  hosts.to_a_from(kAddressB, answers);
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].nonce == 7);
  CHECK(reports[0].features == kTakesUnfinishedChecksums);
  CHECK(reports[0].where == Destination{DestinationKind::peer, 0});
  CHECK(reports[0].full);
  CHECK(reports[0].self == self_of(2));
  CHECK(reports[0].address.text() == kAddressA);
  CHECK(reports[0].bytes == kFullHelloBytes);
  CHECK(reports[0].microseconds < 60'000'000);
  // The same again tells nothing new.
  hosts.to_a_from(kAddressB, answers);
  CHECK(hosts.reports().empty());
  CHECK(hosts.a.worker.counters().consumed.get() == 2);
  CHECK(hosts.b.worker.counters().consumed.get() == 1);
  CHECK(hosts.a.balanced());
  CHECK(hosts.b.balanced());
  CHECK(hosts.to_b->counters.tx_bytes.get() == kFullHelloBytes);
}

TEST_CASE("a question of any length is answered in the same few bytes, and the answer tells which one arrived") {
  Hosts hosts;
  for (const uint32_t bytes : {kFullHelloBytes + 1, 1464u, kMostHelloBytes}) {
    const auto questions = hosts.ask(bytes, bytes);
    REQUIRE(questions.size() == 1);
    CHECK(questions[0].bytes.size() == kVxlanHeaderBytes + bytes);
    const auto answers = hosts.answers(questions);
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].bytes.size() == kVxlanHeaderBytes + kFullHelloBytes);
    hosts.to_a_from(kAddressB, answers);
    const auto reports = hosts.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].bytes == bytes);
    // Cut off on the way it is no question.
    Bytes shorter = questions[0].bytes;
    shorter.pop_back();
    hosts.b.from_underlay(kAddressA, shorter);
    CHECK(hosts.b.sender->sent.empty());
  }
  CHECK(hosts.ask(1, 10 * kMostHelloBytes)[0].bytes.size() == kVxlanHeaderBytes + kMostHelloBytes);
}

TEST_CASE("a peer of IPv6 is told where it was seen") {
  Rig a, b;
  a.add_peer("fd00::2");
  b.add_peer("fd00::1");
  b.tables.self = self_of(2);
  b.publish();
  REQUIRE(a.worker.request_hello({.peer = 0, .nonce = 5, .bytes = kFullHelloBytes}));
  a.worker.round(0);
  b.from_underlay("fd00::1", a.sender->sent.at(0).bytes);
  a.from_underlay("fd00::2", b.sender->sent.at(0).bytes);
  const auto events = a.take_events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].address.text() == "fd00::1");
}

TEST_CASE("a weft host that is older asks and answers without saying who it is") {
  Hosts hosts;
  hosts.b.from_underlay(kAddressA, hello(7, kHelloBytes));
  REQUIRE(hosts.b.sender->sent.size() == 1);
  CHECK(hosts.b.sender->sent[0].bytes == features(7, kTakesUnfinishedChecksums));
  hosts.ask(8);
  hosts.a.from_underlay(kAddressB, features(8, kTakesUnfinishedChecksums));
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(!reports[0].full);
  CHECK(reports[0].features == kTakesUnfinishedChecksums);
}

TEST_CASE("what a host does not take it does not say") {
  Hosts hosts;
  hosts.b.worker.set_features(0);
  hosts.to_a_from(kAddressB, hosts.answers(hosts.ask(7)));
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].features == 0);
}

TEST_CASE("features with another nonce, or of nobody who was asked, mean nothing") {
  Hosts hosts;
  hosts.a.add_peer("10.0.0.3");
  // Nobody was asked yet: the nonce of no question is none that fits.
  hosts.a.from_underlay(kAddressB, features(0, kTakesUnfinishedChecksums));
  const auto first = hosts.answers(hosts.ask(7));
  hosts.a.from_underlay(kAddressB, features(8, kTakesUnfinishedChecksums));
  hosts.a.from_underlay("10.0.0.4", features(9, kTakesUnfinishedChecksums));
  CHECK(hosts.reports().empty());
  // An answer that is late counts, also after the next question.
  const auto second = hosts.answers(hosts.ask(9));
  hosts.to_a_from(kAddressB, second);
  CHECK(hosts.reports().size() == 1);
  hosts.to_a_from(kAddressB, first);
  CHECK(hosts.reports().size() == 1);
  CHECK(hosts.a.balanced());
}

TEST_CASE("of the questions to a peer the last 32 are remembered") {
  Hosts hosts;
  std::vector<std::vector<Sent>> answers;
  for (uint64_t nonce = 1; nonce <= 33; ++nonce) answers.push_back(hosts.answers(hosts.ask(nonce)));
  hosts.to_a_from(kAddressB, answers[0]);
  CHECK(hosts.reports().empty());
  hosts.to_a_from(kAddressB, answers[1]);
  CHECK(hosts.reports().size() == 1);
}

TEST_CASE("an answer from another address is reported, once a second, and is no answer") {
  for (const char* elsewhere : {"10.0.0.3", "10.0.0.9"}) {
    for (const bool any : {false, true}) {
      Hosts hosts;
      hosts.a.add_peer("10.0.0.3");
      hosts.a.options.accept_any = any;
      hosts.a.set_underlay();
      hosts.a.worker.set_time(1000);
      const auto first = hosts.answers(hosts.ask(7));
      const auto second = hosts.answers(hosts.ask(8));
      hosts.a.worker.set_time(1000);
      hosts.to_a_from(elsewhere, first);
      hosts.to_a_from(elsewhere, second);
      const auto events = hosts.a.take_events();
      int misplaced = 0;
      for (const Event& event : events) {
        CHECK(event.type != EventType::hello_answer);
        if (event.type != EventType::hello_misplaced) continue;
        ++misplaced;
        CHECK(event.where == Destination{DestinationKind::peer, 0});
        CHECK(event.address.text() == elsewhere);
        CHECK(event.nonce == 7);
      }
      CHECK(misplaced == 1);
      CHECK(hosts.a.balanced());
    }
  }
}

TEST_CASE("a hello that cannot be sent is reported, and waits for no answer") {
  Hosts hosts;
  hosts.a.sender->refuse = [](const Sent&) { return EMSGSIZE; };
  hosts.ask(7, 1464);
  const auto failed = hosts.reports(EventType::hello_failed);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].error == EMSGSIZE);
  CHECK(failed[0].nonce == 7);
  hosts.a.from_underlay(kAddressB, features(7, 0));
  CHECK(hosts.reports().empty());
  CHECK(hosts.a.dropped(Drop::too_big) == 1);
  CHECK(hosts.a.balanced());
}

TEST_CASE("a hello that comes unasked leaves nothing but its time") {
  Hosts hosts;
  CHECK(hosts.to_a->state->last_hello.load() == 0);
  hosts.b.worker.set_time(500);
  hosts.b.from_underlay(kAddressA, hello(7));
  CHECK(hosts.to_a->state->last_hello.load() == 500);
  CHECK(hosts.b.take_events().empty());
}

TEST_CASE("an older weft answers nothing that is taken for features") {
  Hosts hosts;
  hosts.ask(7);
  // The answer of the offload check, with the same nonce; and a type that is not known yet.
  Bytes other(kQuestionBytes);
  write_control_frame(other.data(), kQuestionBytes, {.type = ControlType::answer, .nonce = 7, .index = 1, .count = 2, .arrived = {}});
  hosts.a.from_underlay(kAddressB, vxlan(kControlVni, other));
  Bytes later = features(7, kTakesUnfinishedChecksums);
  later[kVxlanHeaderBytes + 19] = 8;
  hosts.a.from_underlay(kAddressB, later);
  CHECK(hosts.reports().empty());
  CHECK(hosts.a.worker.counters().consumed.get() == 2);
}

TEST_CASE("strangers are not answered, and a peer 64 times a second, whatever it asks") {
  Hosts hosts;
  hosts.b.from_underlay("10.0.0.9", hello(7));
  CHECK(hosts.b.sender->sent.empty());
  hosts.b.worker.set_time(1000);
  Bytes question(kQuestionBytes);
  write_control_frame(question.data(), kQuestionBytes, {.type = ControlType::question, .nonce = 1, .index = 1, .count = 2, .arrived = {}});
  for (int i = 0; i < 100; ++i) {
    hosts.b.from_underlay(kAddressA, hello(7));
    hosts.b.from_underlay(kAddressA, vxlan(kControlVni, question));
  }
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond);
  hosts.b.worker.set_time(1001);
  hosts.b.from_underlay(kAddressA, hello(7));
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond + 1);
  CHECK(hosts.b.balanced());
}

TEST_CASE("questions that wait are bounded, and none is asked of a peer that is gone") {
  Hosts hosts;
  const auto request = [&](uint16_t peer, uint64_t nonce) {
    return hosts.a.worker.request_hello({.peer = peer, .nonce = nonce, .bytes = kFullHelloBytes});
  };
  uint64_t taken = 0;
  while (request(0, taken)) ++taken;
  CHECK(taken == 64);
  hosts.a.worker.round(0);
  CHECK(hosts.a.sender->sent.size() == 64);
  CHECK(request(1, 1));
  hosts.a.worker.round(0);
  CHECK(hosts.a.sender->sent.size() == 64);
}

TEST_CASE("a host that cannot say yet who it is answers only who does not ask") {
  Hosts hosts;
  hosts.b.tables.self.reset();
  hosts.b.publish();
  CHECK(hosts.answers(hosts.ask(7)).empty());
  CHECK(hosts.to_a->state->last_hello.load() != 0);
  hosts.b.from_underlay(kAddressA, hello(8, kHelloBytes));
  REQUIRE(hosts.b.sender->sent.size() == 1);
  CHECK(hosts.b.sender->sent[0].bytes == features(8, kTakesUnfinishedChecksums));
  CHECK(hosts.b.balanced());
}
