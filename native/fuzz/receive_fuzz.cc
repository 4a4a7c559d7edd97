// The whole way of a burst from a peer, and of a frame from a guest, through one worker: hostile datagrams, lying UDP_GRO
// sizes, lying virtio headers. Whatever comes, every frame gets a verdict, the counters balance, nothing reaches another
// network, and nothing that a guarded port sends bears another's MAC.
//
// Input: records of {kind u8, segment size u16, length u16, bytes}; kind's lowest bit chooses guest or underlay, the next four
// the traffic class of the outer header, the highest one the guarded guest; the one below has it announced.
#include <cstdlib>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr Mac kRedOnly = 0x02000000beef;
constexpr Mac kGuarded = 0x0200000000aa;

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

// Building a worker takes longer than a run, so one serves them all; what it learned is forgotten between runs.
struct World : Rig {
  NetworkIndex blue = add_network(42), red = add_network(43);
  PortHandle guest = add_port(blue), other = add_port(blue), in_red = add_port(red);
  PortHandle guarded = add_port(blue, 0,
                                std::make_shared<const Guard>(kGuarded, std::vector<Endpoint>{*Endpoint::parse("10.42.0.170", 0),
                                                                                              *Endpoint::parse("fd42::aa", 0)}));

  World() {
    add_peer("10.0.0.2");
    add_peer("fd00::2");
    fdb.declare(red, kRedOnly, {DestinationKind::port, in_red.port->index});
  }

  void forget() {
    fdb.flush_learned(std::nullopt);
    fdb.sweep(1);
    sender->sent.clear();
    for (const PortHandle& port : {guest, other, in_red, guarded}) port.tap->written.clear();
    guarded.port->last_defence = 0;
    take_events();
  }
};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World rig;
  rig.forget();
  for (size_t at = 0; at + 5 <= size;) {
    const uint8_t kind = data[at];
    const auto& guest = (kind & 0x80) != 0 ? rig.guarded : rig.guest;
    if ((kind & 0x40) != 0) {
      rig.worker.request_announcement(*rig.guarded.port);
      rig.worker.round(0);
    }
    const uint32_t segment = static_cast<uint32_t>(data[at + 1]) << 8 | data[at + 2];
    const size_t wanted = static_cast<size_t>(data[at + 3]) << 8 | data[at + 4];
    at += 5;
    const size_t length = std::min(wanted, size - at);
    const Bytes bytes(data + at, data + at + length);
    at += length;
    if ((kind & 1) != 0) {
      rig.receiver->arrivals.push_back({"10.0.0.2", bytes, segment, static_cast<uint8_t>(kind >> 1 & 0xf)});
      rig.worker.flush();  // a receive call ends the life of what the former one gave
      rig.worker.serve_receiver(*rig.receiver);
    } else if (length >= sizeof(VnetHeader)) {
      TapFrame frame;
      memcpy(&frame.vnet, bytes.data(), sizeof frame.vnet);
      frame.bytes.assign(bytes.begin() + sizeof frame.vnet, bytes.end());
      guest.tap->to_read.push_back(std::move(frame));
      rig.worker.serve_port(*guest.port);
    }
  }
  rig.worker.flush();

  require(rig.balanced());
  for (const Mac mac : {Mac{0x020000000001}, Mac{0x020000000002}, kRedOnly}) {
    require(rig.fdb.find(rig.blue, mac) != Destination{DestinationKind::port, rig.guarded.port->index});
  }
  // What a guest of blue sends leaves as blue; only the peer can address red, and then by whole datagrams of that VNI.
  for (const Sent& sent : rig.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) require(read_vxlan_header(datagram.data()) == 42u);
  }
  for (const TapFrame& written : rig.other.tap->written) require(written.bytes.size() >= 14);
  return 0;
}
