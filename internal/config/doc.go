// Package config reads what users wrote for Test Kitchen and makes of it what
// Test Kitchen makes of it: it finds kitchen.yml and its companions, renders
// their ERB, parses them as Psych does, merges them, and resolves one set of
// plug-in data for each instance. Each value knows where it came from.
//
// [Load] does all of it. [Validate], [Schema] and [Keys] come from one table
// of the settings in such a file.
//
// The package knows files, not clouds. It may be imported by the plug-ins
// below kitchen and by internal/cli. The languages it reads have packages of
// their own: ruby, erb, yaml11, openrc, clouds and knife.
package config
