package authz
