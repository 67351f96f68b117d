"""The verbs of stories; importing this package fills `appliance.scenario.vocabulary.TABLE`.

The order of the imports is the order of the reference.
"""

from appliance.scenario.verbs import timing  # isort: skip
from appliance.scenario.verbs import outside  # isort: skip
from appliance.scenario.verbs import telephone  # isort: skip
from appliance.scenario.verbs import speaking  # isort: skip
from appliance.scenario.verbs import hearing  # isort: skip
from appliance.scenario.verbs import desk  # isort: skip
from appliance.scenario.verbs import expecting  # isort: skip
from appliance.scenario.verbs import fate  # isort: skip

__all__ = ["desk", "expecting", "fate", "hearing", "outside", "speaking", "telephone", "timing"]
