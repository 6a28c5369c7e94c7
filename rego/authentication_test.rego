package doorward.authentication_test

import data.doorward.authentication

strong := {
	"resource": {"acr_values": ["silver", "gold"]},
	"claims": {"acr": "gold"},
	"token": {"recent": true},
}

with_change(change) := object.union(strong, change)

test_one_of_the_classes if authentication.suffices with input as strong

test_another_class if not authentication.suffices with input as with_change({"claims": {"acr": "bronze"}})

test_no_class if not authentication.suffices with input as json.remove(strong, ["claims/acr"])

test_classes_in_a_list if not authentication.suffices with input as with_change({"claims": {"acr": ["gold"]}})

test_any_class if {
	authentication.suffices with input as json.remove(with_change({"resource": {"acr_values": []}}), ["claims/acr"])
}

test_too_old if not authentication.suffices with input as with_change({"token": {"recent": false}})

test_too_old_with_any_class if {
	not authentication.suffices with input as with_change({"resource": {"acr_values": []}, "token": {"recent": false}})
}

# A member that is missing refuses.
test_without_the_classes if not authentication.suffices with input as json.remove(strong, ["resource/acr_values"])

test_without_the_age if not authentication.suffices with input as json.remove(strong, ["token/recent"])

test_without_anything if not authentication.suffices with input as {}
