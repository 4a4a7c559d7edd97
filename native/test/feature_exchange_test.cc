// Two hosts, each with its worker: what one asks the other, and who else could have given the answer.
#include "engine/feature_exchange.h"

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

  Hosts() { b.worker.set_features(kTakesUnfinishedChecksums); }

  // What a sends.
  std::vector<Sent> ask(uint64_t nonce) {
    REQUIRE(a.worker.request_hello(0, nonce));
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

  std::vector<Event> reports() {
    std::vector<Event> found;
    for (const Event& event : a.take_events()) {
      if (event.type == EventType::peer_features) found.push_back(event);
    }
    return found;
  }
};

Bytes message(ControlType type, uint64_t nonce, uint64_t features = 0, uint32_t bytes = kHelloBytes) {
  Bytes frame(bytes);
  write_control_frame(frame.data(), bytes, {.type = type, .nonce = nonce, .arrived = {}, .features = features});
  return vxlan(kControlVni, frame);
}

}  // namespace

TEST_CASE("a weft host says what it takes, once for each question") {
  Hosts hosts;
  const auto questions = hosts.ask(7);
  REQUIRE(questions.size() == 1);
  CHECK(questions[0].to == kAddressB);
  CHECK(questions[0].bytes == message(ControlType::hello, 7));
  const auto answers = hosts.answers(questions);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].to == kAddressA);
  CHECK(answers[0].bytes == message(ControlType::features, 7, kTakesUnfinishedChecksums));
  CHECK(answers[0].bytes.size() <= questions[0].bytes.size());
  hosts.to_a_from(kAddressB, answers);
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].nonce == 7);
  CHECK(reports[0].features == kTakesUnfinishedChecksums);
  CHECK(reports[0].where == Destination{DestinationKind::peer, 0});
  // The same again tells nothing new.
  hosts.to_a_from(kAddressB, answers);
  CHECK(hosts.reports().empty());
  CHECK(hosts.a.worker.counters().consumed.get() == 2);
  CHECK(hosts.b.worker.counters().consumed.get() == 1);
  CHECK(hosts.a.balanced());
  CHECK(hosts.b.balanced());
  CHECK(hosts.to_b->counters.tx_bytes.get() == kHelloBytes);
}

TEST_CASE("what a host does not take it does not say") {
  Hosts hosts;
  hosts.b.worker.set_features(0);
  hosts.to_a_from(kAddressB, hosts.answers(hosts.ask(7)));
  const auto reports = hosts.reports();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].features == 0);
}

TEST_CASE("features with another nonce, of nobody who was asked, or of an earlier question mean nothing") {
  Hosts hosts;
  hosts.a.add_peer("10.0.0.3");
  // Nobody was asked yet: the nonce of no question is none that fits.
  hosts.a.from_underlay(kAddressB, message(ControlType::features, 0, kTakesUnfinishedChecksums));
  const auto first = hosts.answers(hosts.ask(7));
  hosts.a.from_underlay(kAddressB, message(ControlType::features, 8, kTakesUnfinishedChecksums));
  hosts.a.from_underlay("10.0.0.3", message(ControlType::features, 7, kTakesUnfinishedChecksums));
  hosts.a.from_underlay("10.0.0.4", message(ControlType::features, 7, kTakesUnfinishedChecksums));
  const auto second = hosts.answers(hosts.ask(9));
  hosts.to_a_from(kAddressB, first);
  CHECK(hosts.reports().empty());
  hosts.to_a_from(kAddressB, second);
  CHECK(hosts.reports().size() == 1);
  CHECK(hosts.a.balanced());
}

TEST_CASE("an older weft answers nothing that is taken for features") {
  Hosts hosts;
  hosts.ask(7);
  // The answer of the offload check, with the same nonce; and a type that is not known yet.
  Bytes other(kQuestionBytes);
  write_control_frame(other.data(), kQuestionBytes, {.type = ControlType::answer, .nonce = 7, .index = 1, .count = 2, .arrived = {}});
  hosts.a.from_underlay(kAddressB, vxlan(kControlVni, other));
  Bytes later = message(ControlType::features, 7, kTakesUnfinishedChecksums);
  later[kVxlanHeaderBytes + 19] = 6;
  hosts.a.from_underlay(kAddressB, later);
  CHECK(hosts.reports().empty());
  CHECK(hosts.a.worker.counters().consumed.get() == 2);
}

TEST_CASE("strangers are not answered, and a peer 64 times a second, whatever it asks") {
  Hosts hosts;
  hosts.b.set_underlay();
  hosts.b.from_underlay("10.0.0.9", message(ControlType::hello, 7));
  CHECK(hosts.b.sender->sent.empty());
  hosts.b.worker.set_time(1000);
  Bytes question(kQuestionBytes);
  write_control_frame(question.data(), kQuestionBytes, {.type = ControlType::question, .nonce = 1, .index = 1, .count = 2, .arrived = {}});
  for (int i = 0; i < 100; ++i) {
    hosts.b.from_underlay(kAddressA, message(ControlType::hello, 7));
    hosts.b.from_underlay(kAddressA, vxlan(kControlVni, question));
  }
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond);
  hosts.b.worker.set_time(1001);
  hosts.b.from_underlay(kAddressA, message(ControlType::hello, 7));
  CHECK(hosts.b.sender->sent.size() == AnswerAllowance::kASecond + 1);
  CHECK(hosts.b.balanced());
}

TEST_CASE("a hello with more fields is answered with those that are known") {
  Hosts hosts;
  hosts.b.from_underlay(kAddressA, message(ControlType::hello, 7, 0, kHelloBytes + 24));
  REQUIRE(hosts.b.sender->sent.size() == 1);
  CHECK(hosts.b.sender->sent[0].bytes == message(ControlType::features, 7, kTakesUnfinishedChecksums));
}

TEST_CASE("questions that wait are bounded, and none is asked of a peer that is gone") {
  Hosts hosts;
  uint64_t taken = 0;
  while (hosts.a.worker.request_hello(0, taken)) ++taken;
  CHECK(taken == 64);
  hosts.a.worker.round(0);
  CHECK(hosts.a.sender->sent.size() == 64);
  CHECK(hosts.a.worker.request_hello(1, 1));
  hosts.a.worker.round(0);
  CHECK(hosts.a.sender->sent.size() == 64);
}
