// The rules of one listener and the series that are counted for it.
#pragma once

#include <string>

#include "base/metrics.h"
#include "flow/receive_rules.h"
#include "format/hl7/tables.h"

namespace minato {

class ReceiveListener {
 public:
  ReceiveListener(ListenerRules given, metrics::Registry& registry);

  const ListenerRules rules;
  metrics::Counter& accepted;
  metrics::Counter& duplicates;
  metrics::Counter& answers;      // acknowledgements that came in
  metrics::Counter& reused_ids;   // accepted, but the control id was there with other bytes
  metrics::Counter& turned_away;  // well, but the journal could not take it
  metrics::Counter& unstored;     // refused, and the journal could not keep it
  void refused(hl7::Fault fault);
  void warned(const std::string& warning);

 private:
  metrics::Registry& registry_;
};

}  // namespace minato
