#include "flow/receive_listener.h"

namespace minato {
namespace {

metrics::Counter& messages(metrics::Registry& registry, const std::string& listener, const std::string& outcome) {
  return registry.counter("minato_receive_messages_total", "Messages by what became of them.",
                          {{"listener", listener}, {"outcome", outcome}});
}

}  // namespace

ReceiveListener::ReceiveListener(ListenerRules given, metrics::Registry& registry)
    : rules(std::move(given)),
      accepted(messages(registry, rules.listener, "accepted")),
      duplicates(messages(registry, rules.listener, "duplicate")),
      answers(messages(registry, rules.listener, "acknowledgement")),
      reused_ids(registry.counter("minato_receive_reused_ids_total",
                                  "Accepted messages whose control id had come with other bytes.",
                                  {{"listener", rules.listener}})),
      turned_away(messages(registry, rules.listener, "turned_away")),
      unstored(registry.counter("minato_receive_refused_unstored_total",
                                "Refused frames that the journal could not keep.", {{"listener", rules.listener}})),
      registry_(registry) {}

void ReceiveListener::refused(hl7::Fault fault) {
  registry_
      .counter("minato_receive_refused_total", "Refused frames and messages by fault.",
               {{"listener", rules.listener}, {"fault", std::string(hl7::name(fault))}})
      .add();
}

void ReceiveListener::warned(const std::string& warning) {
  registry_
      .counter("minato_receive_warnings_total", "Accepted messages by warning.",
               {{"listener", rules.listener}, {"warning", warning}})
      .add();
}

}  // namespace minato
