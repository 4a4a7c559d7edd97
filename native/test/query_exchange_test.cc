// Two hosts whose control planes ask each other through their workers.
#include "engine/query_exchange.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr const char* kAddressA = "10.0.0.1";
constexpr const char* kAddressB = "10.0.0.2";

QueryMail mail(uint64_t nonce, const std::string& text, uint16_t room, bool reply = false) {
  QueryMail out;
  out.reply = reply;
  out.nonce = nonce;
  out.topic = 3;
  out.text_bytes = static_cast<uint16_t>(text.size());
  out.room = room;
  std::copy(text.begin(), text.end(), out.text.begin());
  return out;
}

std::string text_of(const QueryMail& mail) { return {mail.text.begin(), mail.text.begin() + mail.text_bytes}; }

struct Hosts {
  Rig a, b;
  Hosts() {
    a.add_peer(kAddressB);
    b.add_peer(kAddressA);
  }
  static std::vector<Sent> post(Rig& host, const QueryMail& one) {
    REQUIRE(host.worker.request_query(one));
    host.worker.round(0);
    return std::exchange(host.sender->sent, {});
  }
  static void deliver(Rig& host, const char* from, const std::vector<Sent>& all) {
    for (const Sent& one : all) host.from_underlay(from, one.bytes);
  }
};

}  // namespace

TEST_CASE("a query arrives with its room, and its reply once") {
  Hosts hosts;
  const auto query = Hosts::post(hosts.a, mail(7, "where?", 100));
  REQUIRE(query.size() == 1);
  CHECK(query[0].to == kAddressB);
  CHECK(query[0].bytes.size() == kVxlanHeaderBytes + kLeastQueryBytes + 100);
  const int wakes = hosts.b.wakes;
  Hosts::deliver(hosts.b, kAddressA, query);
  CHECK(hosts.b.wakes == wakes + 1);
  const auto arrived = hosts.b.worker.take_queries();
  REQUIRE(arrived.size() == 1);
  CHECK(!arrived[0].reply);
  CHECK(arrived[0].peer == 0);
  CHECK(arrived[0].nonce == 7);
  CHECK(arrived[0].topic == 3);
  CHECK(arrived[0].room == 100);
  CHECK(text_of(arrived[0]) == "where?");
  CHECK(hosts.b.worker.take_queries().empty());

  const auto reply = Hosts::post(hosts.b, mail(7, "here", 0, true));
  CHECK(reply.at(0).bytes.size() == kVxlanHeaderBytes + kLeastQueryBytes + 4);
  Hosts::deliver(hosts.a, kAddressB, reply);
  Hosts::deliver(hosts.a, kAddressB, reply);
  const auto replies = hosts.a.worker.take_queries();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].reply);
  CHECK(text_of(replies[0]) == "here");
  CHECK(hosts.a.balanced());
  CHECK(hosts.b.balanced());
}

TEST_CASE("a reply with another nonce, of another peer or to an earlier query is none") {
  Hosts hosts;
  hosts.a.add_peer("10.0.0.3");
  const auto early = Hosts::post(hosts.b, mail(0, "forged", 0, true));
  Hosts::deliver(hosts.a, kAddressB, early);
  Hosts::post(hosts.a, mail(7, "", 50));
  const auto reply = Hosts::post(hosts.b, mail(7, "late", 0, true));
  Hosts::deliver(hosts.a, "10.0.0.3", reply);
  Hosts::deliver(hosts.a, "10.0.0.9", reply);
  Hosts::deliver(hosts.a, kAddressB, Hosts::post(hosts.b, mail(8, "guessed", 0, true)));
  Hosts::post(hosts.a, mail(9, "", 50));
  Hosts::deliver(hosts.a, kAddressB, reply);
  CHECK(hosts.a.worker.take_queries().empty());
}

TEST_CASE("queries are let through 64 times a second for each peer, and for all of them together") {
  Hosts hosts;
  const char* others[] = {"10.0.0.3", "10.0.0.4"};
  for (const char* other : others) hosts.b.add_peer(other);
  const auto query = Hosts::post(hosts.a, mail(7, "", 0));
  hosts.b.worker.set_time(1000);
  size_t through = 0;
  for (int i = 0; i < 200; ++i) {
    Hosts::deliver(hosts.b, i < 50 ? kAddressA : others[i % 2], query);
    through += hosts.b.worker.take_queries().size();
  }
  CHECK(through == AnswerAllowance::kASecond);
  hosts.b.worker.set_time(1001);
  Hosts::deliver(hosts.b, kAddressA, query);
  CHECK(hosts.b.worker.take_queries().size() == 1);
  Hosts::deliver(hosts.b, "10.0.0.9", query);
  CHECK(hosts.b.worker.take_queries().empty());
}

TEST_CASE("what nobody takes is lost, and bounded") {
  Hosts hosts;
  const auto query = Hosts::post(hosts.a, mail(7, "", 0));
  for (Seconds second = 1000; second < 1003; ++second) {
    hosts.b.worker.set_time(second);
    for (int i = 0; i < 64; ++i) Hosts::deliver(hosts.b, kAddressA, query);
  }
  CHECK(hosts.b.worker.take_queries().size() == RequestRing<QueryMail>::kSlots);
  uint32_t taken = 0;
  while (hosts.a.worker.request_query(mail(taken, "", 0))) ++taken;
  CHECK(taken == RequestRing<QueryMail>::kSlots);
}
