// The whole way of a burst from a peer, and of a frame from a guest, through one worker: hostile datagrams, lying UDP_GRO sizes, lying
// virtio headers. Whatever comes, every frame gets a verdict, the counters balance, and nothing reaches another network.
//
// Input: records of {kind u8, segment size u16, length u16, bytes}; kind's lowest bit chooses guest or underlay, the next four the
// traffic class of the outer header.
#include <cstdlib>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr Mac kRedOnly = 0x02000000beef;

void require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Rig rig;
  const auto blue = rig.add_network(42), red = rig.add_network(43);
  const auto guest = rig.add_port(blue), other = rig.add_port(blue), in_red = rig.add_port(red);
  rig.add_peer("10.0.0.2");
  rig.add_peer("fd00::2");
  rig.fdb.declare(red, kRedOnly, {DestinationKind::port, in_red.port->index});

  for (size_t at = 0; at + 5 <= size;) {
    const uint8_t kind = data[at];
    const uint32_t segment = static_cast<uint32_t>(data[at + 1]) << 8 | data[at + 2];
    const size_t wanted = static_cast<size_t>(data[at + 3]) << 8 | data[at + 4];
    at += 5;
    const size_t length = std::min(wanted, size - at);
    const Bytes bytes(data + at, data + at + length);
    at += length;
    if ((kind & 1) != 0) {
      rig.receiver->arrivals.push_back({"10.0.0.2", bytes, segment, static_cast<uint8_t>(kind >> 1 & 0xf)});
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
  // What a guest of blue sends leaves as blue; only the peer can address red, and then by whole datagrams of that VNI.
  for (const Sent& sent : rig.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) require(read_vxlan_header(datagram.data()) == 42u);
  }
  for (const TapFrame& written : other.tap->written) require(written.bytes.size() >= 14);
  return 0;
}
