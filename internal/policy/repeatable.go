package policy

import "strings"

// repeatable lists the built-in functions whose result depends only on their
// arguments. Only decisions that depend on no other function are cached: a function
// of a later OPA must be added here first.
func repeatable() []string {
	return strings.Fields(`
		eq assign equal neq gt gte lt lte internal.member_2 internal.member_3 internal.template_string
		plus minus mul div rem round ceil floor abs
		bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor
		count sum product max min sort all any
		and or minus intersection union set_diff
		array.concat array.flatten array.reverse array.slice
		object.filter object.get object.keys object.remove object.subset object.union object.union_n
		json.filter json.is_valid json.marshal json.marshal_with_options json.patch json.remove json.unmarshal
		yaml.is_valid yaml.marshal yaml.unmarshal
		walk graph.reachable graph.reachable_paths
		to_number numbers.range numbers.range_step format_int units.parse units.parse_bytes
		is_array is_boolean is_null is_number is_object is_set is_string type_name
		cast_array cast_boolean cast_null cast_object cast_set cast_string
		concat contains endswith indexof indexof_n lower replace split sprintf startswith substring trim trim_left
		trim_prefix trim_right trim_space trim_suffix upper strings.any_prefix_match strings.any_suffix_match
		strings.count strings.render_template strings.replace_n strings.reverse strings.split_n
		regex.find_all_string_submatch_n regex.find_n regex.globs_match regex.is_valid regex.match regex.replace
		regex.split regex.template_match re_match glob.match glob.quote_meta
		base64.decode base64.encode base64.is_valid base64url.decode base64url.encode base64url.encode_no_pad
		hex.decode hex.encode urlquery.decode urlquery.decode_object urlquery.encode urlquery.encode_object
		uri.is_valid uri.parse uuid.parse semver.compare semver.is_valid
		crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512
		crypto.md5 crypto.sha1 crypto.sha256
		net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects net.cidr_is_valid
		net.cidr_merge net.cidr_overlap
		time.add_date time.clock time.date time.diff time.format time.parse_duration_ns time.parse_ns
		time.parse_rfc3339_ns time.weekday
		io.jwt.decode
	`)
}

// instead is what to write instead of a built-in function.
func instead(name string) string {
	switch {
	case name == "time.now_ns":
		return "leave a token's life to its exp, which is checked before any rule, and put other dates into data"
	case strings.HasPrefix(name, "rand."), strings.HasPrefix(name, "uuid."):
		return "let a claim, a header or data decide, not chance"
	case strings.HasPrefix(name, "io.jwt."):
		return "the token is verified before any rule, read input.claims"
	default:
		return "write the rule with other functions, or put the result into data"
	}
}
