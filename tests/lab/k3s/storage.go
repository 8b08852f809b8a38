package main

import (
	"fmt"
	"path/filepath"
	"time"
)

const provisioner = "rancher.io/local-path"

type object = map[string]any

// Makes what is missing of an object that every server has, or takes away one that is switched off.
func (n *node) packaged(component, folder string, about object) {
	if n.disabled(component) {
		n.api("DELETE", folder+"/"+text(about, "metadata", "name"), nil)
		return
	}
	for {
		found, err := n.api("POST", folder, about)
		if code := at(found, "code"); err == nil || code == float64(409) {
			return
		} else if code == float64(422) {
			warn("%s: %v", component, err)
			return
		}
		time.Sleep(time.Second)
	}
}

func (n *node) disabled(component string) bool {
	for _, off := range n.list("disable") {
		if off == component {
			return true
		}
	}
	return false
}

// In place of the local-path provisioner: folders on nodes for claims that wait for one. Every server does it, as all it
// writes has a name that follows from the claim.
func (n *node) storage() {
	n.packaged("local-storage", "/apis/storage.k8s.io/v1/storageclasses", object{
		"metadata":    object{"name": "local-path", "annotations": object{"storageclass.kubernetes.io/is-default-class": "true", "defaultVolumeType": "local"}},
		"provisioner": provisioner, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
	})
	if n.disabled("local-storage") {
		return
	}
	for ; ; time.Sleep(500 * time.Millisecond) {
		claims, err := n.api("GET", "/api/v1/persistentvolumeclaims", nil)
		if err != nil {
			continue
		}
		volumes, err := n.api("GET", "/api/v1/persistentvolumes", nil)
		if err != nil {
			continue
		}
		there := map[string]bool{}
		for _, volume := range items(volumes) {
			there[text(volume, "metadata", "name")] = true
			ours := text(volume, "metadata", "annotations", "pv.kubernetes.io/provisioned-by") == provisioner
			if ours && text(volume, "status", "phase") == "Released" && text(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete" && at(volume, "metadata", "deletionTimestamp") == nil {
				n.takeVolume(volume)
			}
		}
		for _, claim := range items(claims) {
			name := "pvc-" + text(claim, "metadata", "uid")
			annotations, _ := at(claim, "metadata", "annotations").(object)
			on, _ := annotations["volume.kubernetes.io/selected-node"].(string)
			wanted := annotations["volume.beta.kubernetes.io/storage-provisioner"] == provisioner && text(claim, "status", "phase") == "Pending"
			if wanted && on != "" && !there[name] && at(claim, "metadata", "deletionTimestamp") == nil {
				n.makeVolume(name, on, claim)
			}
		}
	}
}

func items(list object) []any { all, _ := list["items"].([]any); return all }

func text(value any, path ...string) string { found, _ := at(value, path...).(string); return found }

func (n *node) makeVolume(name, on string, claim any) {
	namespace, claimed := text(claim, "metadata", "namespace"), text(claim, "metadata", "name")
	folder := fmt.Sprintf("%s/%s_%s_%s", n.one("default-local-storage-path", n.data+"/storage"), name, namespace, claimed)
	if !n.helped("create", name, on, folder, `mkdir -m 0777 -p "$0"`) {
		return
	}
	class, err := n.api("GET", "/apis/storage.k8s.io/v1/storageclasses/"+text(claim, "spec", "storageClassName"), nil)
	if err != nil {
		return
	}
	_, err = n.api("POST", "/api/v1/persistentvolumes", object{
		"metadata": object{"name": name, "annotations": object{"pv.kubernetes.io/provisioned-by": provisioner, "local.path.provisioner/selected-node": on}},
		"spec": object{
			"capacity": object{"storage": at(claim, "spec", "resources", "requests", "storage")}, "accessModes": at(claim, "spec", "accessModes"), "volumeMode": "Filesystem",
			"storageClassName": at(claim, "spec", "storageClassName"), "persistentVolumeReclaimPolicy": text(class, "reclaimPolicy"), "local": object{"path": folder},
			"claimRef": object{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claimed, "uid": at(claim, "metadata", "uid")},
			"nodeAffinity": object{"required": object{"nodeSelectorTerms": []any{object{"matchExpressions": []any{
				object{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{on}}}}}}},
		},
	})
	if err != nil {
		warn("local-path: no volume for %s/%s: %v", namespace, claimed, err)
		return
	}
	info("local-path: %s on %s is the volume of %s/%s", folder, on, namespace, claimed)
}

func (n *node) takeVolume(volume any) {
	name, folder := text(volume, "metadata", "name"), text(volume, "spec", "local", "path")
	if folder != "" && n.helped("delete", name, text(volume, "metadata", "annotations", "local.path.provisioner/selected-node"), folder, `rm -rf "$0"`) {
		n.api("DELETE", "/api/v1/persistentvolumes/"+name, nil)
		info("local-path: %s is gone", folder)
	}
}

// Has a pod done it on that node? It goes when it has; one that failed goes, too, and the next round makes another.
func (n *node) helped(what, volume, on, folder, script string) bool {
	pods, name := "/api/v1/namespaces/kube-system/pods", "helper-pod-"+what+"-"+volume
	parent := filepath.Dir(folder)
	found, err := n.api("GET", pods+"/"+name, nil)
	if at(found, "code") == float64(404) {
		n.api("POST", pods, object{"metadata": object{"name": name}, "spec": object{
			"nodeName": on, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "tolerations": []any{object{"operator": "Exists"}}, "automountServiceAccountToken": false,
			"volumes": []any{object{"name": "data", "hostPath": object{"path": parent, "type": "DirectoryOrCreate"}}},
			"containers": []any{object{"name": "helper", "image": "rancher/mirrored-library-busybox:1.37.0", "imagePullPolicy": "IfNotPresent",
				"command": []string{"/bin/sh", "-c", script, folder}, "volumeMounts": []any{object{"name": "data", "mountPath": parent}}}},
		}})
		return false
	}
	phase := text(found, "status", "phase")
	if err != nil || phase != "Succeeded" && phase != "Failed" {
		return false
	}
	n.api("DELETE", pods+"/"+name, nil)
	return phase == "Succeeded"
}
