#include "napi/hello_bindings.h"

#include <errno.h>

#include <algorithm>

#include "napi/engine_arguments.h"
#include "sys/sys_error.h"

namespace weft {
namespace {

uint64_t bits_of(const Napi::Object& object, const char* name) {
  bool lossless = false;
  return object.Get(name).As<Napi::BigInt>().Uint64Value(&lossless);
}

Napi::Buffer<uint8_t> buffer_of(Napi::Env env, const uint8_t* bytes, size_t size) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes, size);
}

}  // namespace

HostSelf host_self_of(const Napi::Object& object) {
  HostSelf self;
  const Napi::Uint8Array host = object.Get("host").As<Napi::Uint8Array>();
  if (host.ElementLength() != self.host.size()) throw SysError(EINVAL, "host", "16 bytes");
  std::copy_n(host.Data(), self.host.size(), self.host.begin());
  self.incarnation = bits_of(object, "incarnation");
  const Napi::Array version = object.Get("version").As<Napi::Array>();
  for (uint32_t i = 0; i < self.version.size(); ++i) {
    self.version[i] = static_cast<uint16_t>(version.Get(i).As<Napi::Number>().Uint32Value());
  }
  self.networks = bits_of(object, "networks");
  return self;
}

void set_hello_answer(Napi::Object object, const Event& event) {
  const Napi::Env env = object.Env();
  object.Set("peer", event.where.index);
  object.Set("nonce", Napi::BigInt::New(env, event.nonce));
  object.Set("takesUnfinished", (event.features & kTakesUnfinishedChecksums) != 0);
  object.Set("microseconds", event.microseconds);
  object.Set("bytes", event.bytes);
  if (!event.full) {
    object.Set("self", env.Null());
    object.Set("seenAs", env.Null());
    return;
  }
  Napi::Object self = Napi::Object::New(env);
  self.Set("host", buffer_of(env, event.self.host.data(), event.self.host.size()));
  self.Set("incarnation", Napi::BigInt::New(env, event.self.incarnation));
  Napi::Array version = Napi::Array::New(env, event.self.version.size());
  for (uint32_t i = 0; i < event.self.version.size(); ++i) version.Set(i, event.self.version[i]);
  self.Set("version", version);
  self.Set("networks", Napi::BigInt::New(env, event.self.networks));
  object.Set("self", self);
  object.Set("seenAs", event.address.text());
}

QueryMail query_mail_of(uint16_t peer, const Napi::Object& object, bool reply) {
  const Napi::Uint8Array text = object.Get("text").As<Napi::Uint8Array>();
  if (text.ElementLength() > kMostQueryText) throw SysError(EMSGSIZE, "query", "too much text");
  QueryMail mail;
  mail.reply = reply;
  mail.peer = peer;
  mail.nonce = bits_of(object, "nonce");
  mail.topic = static_cast<uint16_t>(number_of(object, "topic"));
  mail.text_bytes = static_cast<uint16_t>(text.ElementLength());
  mail.room = static_cast<uint16_t>(std::min(number_of(object, "room"), kMostQueryText));
  std::copy_n(text.Data(), mail.text_bytes, mail.text.begin());
  return mail;
}

Napi::Object query_event(Napi::Env env, const QueryMail& mail) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", mail.reply ? "reply" : "query");
  object.Set("peer", mail.peer);
  object.Set("nonce", Napi::BigInt::New(env, mail.nonce));
  object.Set("topic", mail.topic);
  object.Set("text", buffer_of(env, mail.text.data(), mail.text_bytes));
  object.Set("room", mail.room);
  return object;
}

}  // namespace weft
