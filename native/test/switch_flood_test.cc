// Who gets a copy and who does not: floods in all directions, split-horizon groups, many networks of equal MACs. The cases are
// those of VPP's tests of flooding and of several bridge domains.
#include <doctest/doctest.h>

#include <map>

#include "test/switch_world.h"

using namespace weft;
using namespace weft::test;

namespace {

struct Kind {
  const char* name;
  Mac to;
};
const Kind kBum[] = {{"broadcast", kBroadcast}, {"IPv4 multicast", 0x01005e000001}, {"IPv6 multicast", 0x333300000001},
                     {"unknown unicast", 0x0200000000ee}};

// What the port or the peer got since the last look.
class Inbox {
 public:
  explicit Inbox(Rig& rig) : rig_(rig) {}

  size_t take(const Rig::PortHandle& port) {
    const size_t count = port.tap->written.size();
    port.tap->written.clear();
    return count;
  }

  // Datagrams by peer and VNI.
  std::map<std::pair<std::string, uint32_t>, size_t> take_sent() {
    std::map<std::pair<std::string, uint32_t>, size_t> counts;
    for (const Sent& sent : rig_.sender->sent) {
      for (const Bytes& datagram : sent.datagrams()) ++counts[{sent.to, *read_vxlan_header(datagram.data())}];
    }
    rig_.sender->sent.clear();
    return counts;
  }

 private:
  Rig& rig_;
};

}  // namespace

TEST_CASE("a flood reaches everybody once but whom it came from: ports, groups and peers, for every kind of frame") {
  Rig rig;
  const auto network = rig.add_network(42);
  // Two ports of no group, two of each of two groups.
  const std::array<uint32_t, 6> groups = {0, 0, 7, 7, 8, 8};
  std::vector<Rig::PortHandle> ports;
  for (const uint32_t group : groups) ports.push_back(rig.add_port(network, group));
  const std::vector<std::string> peers = {"10.0.0.2", "10.0.0.3", "fd00::4"};
  for (const std::string& peer : peers) rig.add_peer(peer);
  Inbox inbox(rig);
  Watch watch(rig);

  for (const Kind& kind : kBum) {
    CAPTURE(kind.name);
    for (size_t from = 0; from < ports.size(); ++from) {
      CAPTURE(from);
      rig.from_guest(ports[from], ethernet(kind.to, mac_of(1, static_cast<uint32_t>(from))));
      for (size_t to = 0; to < ports.size(); ++to) {
        const bool together = groups[from] != 0 && groups[from] == groups[to];
        CHECK(inbox.take(ports[to]) == (from == to || together ? 0 : 1));
      }
      const auto sent = inbox.take_sent();
      CHECK(sent.size() == peers.size());
      for (const std::string& peer : peers) CHECK(sent.at({peer, 42}) == 1);
      CHECK(watch.look() == Verdicts{.flooded = 1});
    }
    for (size_t from = 0; from < peers.size(); ++from) {
      CAPTURE(peers[from]);
      rig.from_underlay(peers[from], vxlan(42, ethernet(kind.to, mac_of(2, static_cast<uint32_t>(from)))));
      for (const Rig::PortHandle& port : ports) CHECK(inbox.take(port) == 1);
      CHECK(inbox.take_sent().empty());
      CHECK(watch.look() == Verdicts{.flooded = 1});
    }
    CHECK(rig.balanced());
  }
}

TEST_CASE("a frame whose destination is where it came from goes nowhere: behind one port, behind one peer, behind another peer") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.add_peer("10.0.0.3");
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacB)));
  a.tap->written.clear();
  b.tap->written.clear();
  rig.sender->sent.clear();
  Watch watch(rig);
  for (int i = 0; i < 4; ++i) rig.from_guest(a, ethernet(kMacA, kMacC));
  for (int i = 0; i < 5; ++i) rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kMacB, mac_of(1, 1))));
  for (int i = 0; i < 6; ++i) rig.from_underlay("10.0.0.3", vxlan(42, ethernet(kMacB, mac_of(1, 2))));
  CHECK(watch.look() == Verdicts{.dropped = 15});
  CHECK(rig.dropped(Drop::same_port) == 9);
  CHECK(rig.dropped(Drop::split_horizon) == 6);
  CHECK(a.tap->written.empty());
  CHECK(b.tap->written.empty());
  CHECK(rig.sender->sent.empty());
  CHECK(a.port->counters.rx_dropped.get() == 4);
  CHECK(rig.peers[0]->counters.rx_dropped.get() == 5);
  CHECK(rig.peers[1]->counters.rx_dropped.get() == 6);
  CHECK(rig.balanced());
}

TEST_CASE("sixteen networks with the same MACs and the same groups: no frame of one is seen in another, nor under another VNI") {
  constexpr uint32_t kNetworks = 16;
  Rig rig;
  struct Domain {
    uint32_t vni;
    NetworkIndex network;
    std::array<Rig::PortHandle, 3> ports;
  };
  std::vector<Domain> domains;
  for (uint32_t i = 0; i < kNetworks; ++i) {
    const uint32_t vni = 100 + 7 * i;
    const auto network = rig.add_network(vni);
    // A group is a number of its network: two ports of two networks in group 5 have nothing to do with each other.
    domains.push_back({vni, network, {rig.add_port(network), rig.add_port(network, 5), rig.add_port(network, 5)}});
  }
  rig.add_peer("10.0.0.2");
  rig.add_peer("10.0.0.3");
  Inbox inbox(rig);
  Watch watch(rig);
  const Mac remote = mac_of(1, 99);

  const auto all_silent_but = [&](uint32_t vni) {
    size_t frames = 0;
    for (const Domain& domain : domains) {
      for (const auto& port : domain.ports) frames += domain.vni == vni ? 0 : inbox.take(port);
    }
    return frames == 0;
  };

  for (const Domain& domain : domains) {
    CAPTURE(domain.vni);
    const auto& [a, b, c] = domain.ports;
    for (const Kind& kind : kBum) {
      rig.from_guest(a, ethernet(kind.to, kMacA));
      CHECK(all_silent_but(domain.vni));
      CHECK(inbox.take(b) == 1);
      CHECK(inbox.take(c) == 1);
      CHECK(inbox.take_sent() == decltype(inbox.take_sent()){{{"10.0.0.2", domain.vni}, 1}, {{"10.0.0.3", domain.vni}, 1}});
    }
    rig.from_guest(b, ethernet(kMacA, kMacB));  // the same MACs everywhere, each at a port of its own network
    CHECK(all_silent_but(domain.vni));
    CHECK(inbox.take(a) == 1);
    CHECK(inbox.take(c) == 0);
    CHECK(inbox.take_sent().empty());
    // One MAC that is behind one peer in one half of the networks, behind the other in the other half.
    const std::string home = domain.vni % 2 == 0 ? "10.0.0.2" : "10.0.0.3";
    rig.from_underlay(home, vxlan(domain.vni, ethernet(kMacA, remote)));
    CHECK(all_silent_but(domain.vni));
    CHECK(inbox.take(a) == 1);
    rig.from_guest(a, ethernet(remote, kMacA));
    CHECK(inbox.take_sent() == decltype(inbox.take_sent()){{{home, domain.vni}, 1}});
    CHECK(watch.look() == Verdicts{.unicast = 3, .flooded = 4});
  }
  // What was learned in the later networks has changed nothing in the earlier ones.
  for (const Domain& domain : domains) {
    CAPTURE(domain.vni);
    rig.from_guest(domain.ports[0], ethernet(remote, kMacA));
    CHECK(inbox.take_sent() == decltype(inbox.take_sent()){{{domain.vni % 2 == 0 ? "10.0.0.2" : "10.0.0.3", domain.vni}, 1}});
  }
  // A network that goes takes nothing along.
  rig.fdb.flush_network(domains[3].network);
  rig.tables.networks[domains[3].network] = {};
  for (const auto& port : domains[3].ports) rig.tables.ports[port.port->index] = nullptr;
  rig.publish();
  rig.from_underlay("10.0.0.2", vxlan(domains[3].vni, ethernet(kBroadcast, mac_of(1, 5))));
  CHECK(rig.dropped(Drop::unknown_vni) == 1);
  for (const Domain& domain : domains) {
    if (domain.vni == domains[3].vni) continue;
    rig.from_guest(domain.ports[1], ethernet(kMacA, kMacB));
    CHECK(all_silent_but(domain.vni));
    CHECK(inbox.take(domain.ports[0]) == 1);
  }
  CHECK(rig.balanced());
}

TEST_CASE("frames of one read that go to many places arrive there once and in their order") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), c = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.from_guest(b, ethernet(kBroadcast, kMacB));
  rig.from_guest(c, ethernet(kBroadcast, kMacC));
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, mac_of(1, 1))));
  for (const auto& port : {a, b, c}) port.tap->written.clear();
  rig.sender->sent.clear();

  // Broadcast, to B, to C, to the peer, in turns; the size is the frame's number.
  const std::array<Mac, 4> to = {kBroadcast, kMacB, kMacC, mac_of(1, 1)};
  constexpr size_t kFrames = 200;
  for (size_t i = 0; i < kFrames; ++i) a.tap->to_read.push_back({{}, ethernet(to[i % 4], kMacA, 46 + i)});
  rig.run(a);

  const auto numbers = [](const std::vector<TapFrame>& frames) {
    std::vector<size_t> out;
    for (const TapFrame& frame : frames) out.push_back(frame.bytes.size() - 14 - 46);
    return out;
  };
  std::vector<size_t> for_b, for_c, for_peer;
  for (size_t i = 0; i < kFrames; ++i) {
    if (i % 4 == 0 || i % 4 == 1) for_b.push_back(i);
    if (i % 4 == 0 || i % 4 == 2) for_c.push_back(i);
    if (i % 4 == 0 || i % 4 == 3) for_peer.push_back(i);
  }
  CHECK(numbers(b.tap->written) == for_b);
  CHECK(numbers(c.tap->written) == for_c);
  CHECK(a.tap->written.empty());
  // Of different lengths and flows, so in any order among flows; every number once.
  std::vector<size_t> sent;
  for (const Sent& message : rig.sender->sent) {
    for (const Bytes& datagram : message.datagrams()) sent.push_back(datagram.size() - 8 - 14 - 46);
  }
  std::sort(sent.begin(), sent.end());
  CHECK(sent == for_peer);
  CHECK(rig.balanced());
}
